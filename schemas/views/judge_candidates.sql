-- grain: (policy, image_id): the pictures that are worth a judge's time.
-- purpose: what judge_images reads: candidates under a judge's gate (or ranked by the judge) against which nothing cheaper stands: every other
--   gate passed, text accepted, not denied, licence allowed. Judged ones stay in. image is last: leave it out and no byte is read.
-- try: select task, count(*) as pictures from judge_candidates group by task
with worthy as (
    select policy, image_id
    from image_checks
    where to_judge and not stopped
),

pictures as (
    select
        candidates.policy,
        candidates.image_id,
        candidates.kind,
        candidates.prompt_id,
        candidates.variant,
        candidates.text,
        candidates.atoms,
        candidates.task,
        candidates.category,
        candidates.style,
        candidates.width,
        candidates.height,
        candidates.image
    from candidates
    join worthy
        on candidates.policy = worthy.policy
        and candidates.image_id = worthy.image_id
)

select * from pictures
