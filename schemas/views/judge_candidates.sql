-- grain: (policy, image_id): the pictures that are worth a judge's time.
-- purpose: what judge_images reads: candidates under a judge's gate (or ranked by the judge) against which nothing cheaper stands: every other
--   gate passed, text accepted, not denied, licence allowed. Judged ones stay in.
-- try: select task, count(*) as pictures from judge_candidates group by task
with worthy as (
    select
        policy,
        image_id,
        kind,
        prompt_id,
        variant,
        text,
        atoms,
        task,
        category,
        style,
        width,
        height
    from image_checks
    where to_judge and not stopped
)

select * from worthy
