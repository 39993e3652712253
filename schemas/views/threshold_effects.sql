-- grain: (policy, kind, gate): every gate that cuts candidates (or original texts, kind prompt).
-- purpose: what a gate costs alone, at the floors (before best of n, duplicates, quotas): passing is what passes every floor now,
--   passing_without what would if this gate were removed. unjudged: of the difference, pictures that the judge would still have to see.
-- try: select gate, passing_without - passing as cost from threshold_effects order by cost desc
with decisions as (
    select policy, 'prompt' as kind, failures, size(failures) = 0 as passes_floors, false as judge_not_asked
    from prompt_checks
    where variant = 'original'
    union all
    select policy, kind, failures, passes_floors, judge_not_asked
    from image_decisions
),

marked as (
    select
        policy,
        kind,
        judge_not_asked,
        explode(concat(
            array(struct(
                cast(null as string) as gate,
                passes_floors as counts
            )),
            transform(
                filter(failures, f -> f.step = 'gate'),
                f -> struct(f.gate as gate, size(failures) = 1 as counts)
            )
        )) as mark
    from decisions
),

counted as (
    select
        policy,
        kind,
        mark.gate as gate,
        count(*) as fail,
        count_if(mark.counts) as counts,
        count_if(mark.counts and judge_not_asked) as unjudged
    from marked
    group by policy, kind, mark.gate
),

gates as (
    select distinct policy, kind, gate
    from stratum_thresholds
),

compared as (
    select
        gates.policy,
        gates.kind,
        gates.gate,
        coalesce(failing.fail, 0) as fail,
        passing.counts as passing,
        passing.counts + coalesce(failing.counts, 0) as passing_without,
        coalesce(failing.unjudged, 0) as unjudged
    from gates
    join counted as passing
        on gates.policy = passing.policy
        and gates.kind = passing.kind
        and passing.gate is null
    left join counted as failing
        on gates.policy = failing.policy
        and gates.kind = failing.kind
        and gates.gate = failing.gate
)

select * from compared
