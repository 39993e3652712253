-- grain: (policy, image_id): every candidate that is not kept.
-- purpose: the complement of training_set, with everything that stands against a picture.
-- try: select image_id, text, reject_reasons from rejected_images where size(reject_reasons) = 1 limit 10
with rejected as (
    select
        policy,
        image_id,
        kind,
        reject_reasons,
        prompt_id,
        variant,
        regime,
        generator,
        candidate,
        task,
        category,
        style,
        text,
        rank_score,
        is_best_of_n
    from image_decisions
    where not kept
)

select * from rejected
