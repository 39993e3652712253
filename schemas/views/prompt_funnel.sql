-- grain: (policy, variant, task, category, style, step, gate): every step from a written (or enhanced) text to an accepted one, a stratum.
-- purpose: where each stratum's texts are lost. The columns mean what they do in funnel, which counts originals of all strata together;
--   of an enhanced text the steps before its own screens are those of its original.
-- try: select style, step, gate, rows_in, fail from prompt_funnel where fail > 0 order by fail desc
with marked as (
    select
        policy,
        variant,
        task,
        category,
        style,
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
    from prompt_checks
),

counted as (
    select
        policy,
        variant,
        task,
        category,
        style,
        mark.ordinal as ordinal,
        count(*) as fail,
        count_if(mark.is_first) as fail_first,
        count_if(mark.is_only) as fail_only
    from marked
    group by policy, variant, task, category, style, mark.ordinal
),

present as (
    select
        policy,
        variant,
        task,
        category,
        style,
        fail as total
    from counted
    where ordinal = 0
),

fixed_steps as (
    select
        present.*,
        explode(array(
            struct(0 as ordinal, case when variant = 'original' then 'written' else 'enhanced' end as step),
            struct(1 as ordinal, 'duplicates' as step),
            struct(2 as ordinal, 'screen' as step),
            struct(101 as ordinal, 'denied' as step),
            struct(900 as ordinal, 'accepted' as step)
        )) as fixed
    from present
),

steps as (
    select
        policy,
        variant,
        task,
        category,
        style,
        total,
        fixed.ordinal as ordinal,
        fixed.step as step,
        cast(null as string) as gate
    from fixed_steps
    union all
    select
        present.policy,
        present.variant,
        present.task,
        present.category,
        present.style,
        present.total,
        10 + stratum_thresholds.ordinal as ordinal,
        'gate' as step,
        stratum_thresholds.gate
    from present
    join stratum_thresholds
        on stratum_thresholds.kind = 'prompt'
        and present.policy = stratum_thresholds.policy
        and present.task = stratum_thresholds.task
        and present.category = stratum_thresholds.category
        and present.style = stratum_thresholds.style
),

joined as (
    select
        steps.policy,
        steps.variant,
        steps.task,
        steps.category,
        steps.style,
        steps.ordinal,
        steps.step,
        steps.gate,
        steps.total,
        case when steps.ordinal = 0 then 0 else coalesce(counted.fail, 0) end as fail,
        coalesce(counted.fail_first, 0) as fail_first,
        coalesce(counted.fail_only, 0) as fail_only,
        sum(coalesce(counted.fail_first, 0)) over (
            partition by steps.policy, steps.variant, steps.task, steps.category, steps.style
            order by steps.ordinal
            rows between unbounded preceding and current row
        ) as gone
    from steps
    left join counted
        on steps.policy = counted.policy
        and steps.variant = counted.variant
        and steps.task = counted.task
        and steps.category = counted.category
        and steps.style = counted.style
        and steps.ordinal = counted.ordinal
),

read_top_down as (
    select
        policy,
        variant,
        task,
        category,
        style,
        ordinal,
        step,
        gate,
        cast(total - gone + fail_first as bigint) as rows_in,
        cast(fail as bigint) as fail,
        cast(fail_only as bigint) as fail_only,
        cast(total - gone as bigint) as rows_out,
        (total - gone) / nullif(total - gone + fail_first, 0) as share
    from joined
)

select * from read_top_down
