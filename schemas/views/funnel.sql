-- grain: (policy, kind, step, gate): every step from a written prompt to an accepted one, and from a candidate picture to a kept one.
-- purpose: rows_in went past everything above; fail: all rows that fail here, wherever else they fail; fail_only: those that fail here and at no
--   other step; rows_out = rows_in minus those that fail here first; share = rows_out / rows_in. ordinal: read top down.
-- try: select kind, step, gate, rows_in, fail, fail_only, rows_out, share from funnel order by ordinal
with decisions as (
    select policy, 'prompt' as kind, failures
    from prompt_checks
    where variant = 'original'
    union all
    select policy, kind, failures
    from image_decisions
),

marked as (
    select
        policy,
        kind,
        explode(concat(
            array(struct(0 as ordinal, false as is_first, false as is_only)),
            transform(
                failures,
                f -> struct(
                    f.ordinal as ordinal,
                    f.ordinal = failures[0].ordinal as is_first,
                    size(failures) = 1 as is_only
                )
            )
        )) as mark
    from decisions
),

counted as (
    select
        policy,
        kind,
        mark.ordinal as ordinal,
        count(*) as fail,
        count_if(mark.is_first) as fail_first,
        count_if(mark.is_only) as fail_only
    from marked
    group by policy, kind, mark.ordinal
),

fixed_steps as (
    select
        policy,
        explode(array(
            struct('prompt' as kind, 0 as ordinal, 'written' as step),
            struct('prompt' as kind, 1 as ordinal, 'duplicates' as step),
            struct('prompt' as kind, 2 as ordinal, 'screen' as step),
            struct('prompt' as kind, 101 as ordinal, 'denied' as step),
            struct('prompt' as kind, 900 as ordinal, 'accepted' as step),
            struct('generated' as kind, 0 as ordinal, 'candidates' as step),
            struct('generated' as kind, 1 as ordinal, 'text' as step),
            struct('generated' as kind, 101 as ordinal, 'denied' as step),
            struct('generated' as kind, 102 as ordinal, 'licence' as step),
            struct('generated' as kind, 103 as ordinal, 'review' as step),
            struct('generated' as kind, 201 as ordinal, 'best of n' as step),
            struct('generated' as kind, 202 as ordinal, 'duplicates' as step),
            struct('generated' as kind, 203 as ordinal, 'quota' as step),
            struct('generated' as kind, 900 as ordinal, 'kept' as step),
            struct('photograph' as kind, 0 as ordinal, 'candidates' as step),
            struct('photograph' as kind, 101 as ordinal, 'denied' as step),
            struct('photograph' as kind, 102 as ordinal, 'licence' as step),
            struct('photograph' as kind, 103 as ordinal, 'review' as step),
            struct('photograph' as kind, 202 as ordinal, 'duplicates' as step),
            struct('photograph' as kind, 203 as ordinal, 'quota' as step),
            struct('photograph' as kind, 900 as ordinal, 'kept' as step)
        )) as fixed
    from policies
),

steps as (
    select policy, fixed.kind as kind, fixed.ordinal as ordinal, fixed.step as step, cast(null as string) as gate
    from fixed_steps
    union all
    select distinct policy, kind, 10 + ordinal as ordinal, 'gate' as step, gate
    from stratum_thresholds
),

joined as (
    select
        steps.policy,
        steps.kind,
        steps.ordinal,
        steps.step,
        steps.gate,
        case when steps.ordinal = 0 then 0 else coalesce(counted.fail, 0) end as fail,
        coalesce(counted.fail_first, 0) as fail_first,
        coalesce(counted.fail_only, 0) as fail_only,
        sum(case when steps.ordinal = 0 then counted.fail end) over (partition by steps.policy, steps.kind) as total,
        sum(coalesce(counted.fail_first, 0)) over (
            partition by steps.policy, steps.kind
            order by steps.ordinal
            rows between unbounded preceding and current row
        ) as gone
    from steps
    left join counted
        on steps.policy = counted.policy
        and steps.kind = counted.kind
        and steps.ordinal = counted.ordinal
),

read_top_down as (
    select
        policy,
        kind,
        cast(row_number() over (
            order by policy, case kind when 'prompt' then 1 when 'generated' then 2 else 3 end, joined.ordinal
        ) as int) as ordinal,
        step,
        gate,
        cast(total - gone + fail_first as bigint) as rows_in,
        cast(fail as bigint) as fail,
        cast(fail_only as bigint) as fail_only,
        cast(total - gone as bigint) as rows_out,
        (total - gone) / nullif(total - gone + fail_first, 0) as share
    from joined
    where total > 0
)

select * from read_top_down
