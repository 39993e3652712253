-- grain: (policy, image_id, gate): every gate that applies to every candidate.
-- purpose: why a picture passes or fails. passed and reason are null where the judge was not asked because a cheaper gate had failed;
--   reason is null where it passes.
-- try: select gate, count_if(not passed) as fail, avg(value) as mean from image_gates where kind = 'generated' group by gate order by fail desc
with exploded as (
    select
        policy,
        image_id,
        kind,
        task,
        category,
        style,
        explode(checks) as entry
    from image_checks
),

named as (
    select
        policy,
        image_id,
        kind,
        task,
        category,
        style,
        entry.gate as gate,
        entry.value as value,
        entry.minimum as minimum,
        entry.maximum as maximum,
        entry.passed as passed,
        entry.reason as reason
    from exploded
)

select * from named
