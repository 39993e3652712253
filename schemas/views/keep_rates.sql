-- grain: (policy, kind, task, category, style): every stratum that holds a candidate.
-- purpose: how many pictures of a stratum the policy keeps. Change a threshold in `make sql` and ask again: nothing is written.
-- try: select task, sum(kept) / sum(candidates) as keep_rate from keep_rates where kind = 'generated' group by task
with counted as (
    select
        policy,
        kind,
        task,
        category,
        style,
        count(*) as candidates,
        count_if(kept) as kept
    from image_decisions
    group by policy, kind, task, category, style
),

rated as (
    select
        *,
        kept / candidates as keep_rate
    from counted
)

select * from rated
