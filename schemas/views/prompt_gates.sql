-- grain: (policy, prompt_id, variant, gate): every gate of every text that was screened.
-- purpose: why a text passes or fails; reason is null where it passes.
-- try: select gate, count(*) as texts, count_if(not passed) as fail from prompt_gates group by gate order by fail desc
with exploded as (
    select
        policy,
        prompt_id,
        variant,
        explode(checks) as entry
    from prompt_checks
    where screened
),

named as (
    select
        policy,
        prompt_id,
        variant,
        entry.gate as gate,
        entry.value as value,
        entry.minimum as minimum,
        entry.maximum as maximum,
        entry.reason is null as passed,
        entry.reason as reason
    from exploded
)

select * from named
