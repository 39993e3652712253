-- grain: (policy, image_id): every candidate.
-- purpose: all that is known of a picture, a column a fact; no bytes, no decision. judge, judge_weakest: of the policy's judge, once every
--   atom has its answer. group_id: pictures that look the same share it. prompt_accepted: whether its text is still in accepted_texts.
--   licence_allowed: a generator's licence must let its output train a model; a photograph's must be among the policy's.
-- try: select style, avg(scene_detector) as mean, avg(blur) as blur from image_facts group by style
with denied as (
    select kind, value, min(reason) as reason
    from denylist
    group by kind, value
),

verdicts as (
    select
        image_id,
        verdict,
        reviewer,
        row_number() over (partition by image_id order by created_at desc, reviewer) as place
    from reviews
),

facts as (
    select
        candidates.policy,
        candidates.image_id,
        candidates.kind,
        candidates.prompt_id,
        candidates.variant,
        candidates.regime,
        candidates.generator,
        candidates.candidate,
        candidates.model,
        candidates.text,
        candidates.long_caption,
        candidates.atoms,
        candidates.width,
        candidates.height,
        candidates.sha256,
        candidates.task,
        candidates.category,
        candidates.style,
        scores.blur,
        scores.noise,
        scores.blockiness,
        scores.clipping,
        scores.border,
        scores.entropy,
        scores.clip_scenes_similarity,
        scores.clip_l14_similarity,
        scores.aesthetic_laion_v2,
        scores.aesthetic_predictor_v_2_5_score,
        scores.watermark_laion,
        scores.nsfw_opennsfw,
        scores.text_accuracy_rapidocr,
        scores.scene_detector,
        scores.scene_detector_weakest,
        case
            when judge_scores.answers >= greatest(coalesce(size(array_distinct(candidates.atoms)), 0), 1) then judge_scores.judge
        end as judge,
        case
            when judge_scores.answers >= greatest(coalesce(size(array_distinct(candidates.atoms)), 0), 1) then judge_scores.judge_weakest
        end as judge_weakest,
        judge_scores.answers as judge_answers,
        greatest(coalesce(size(array_distinct(candidates.atoms)), 0), 1) as judge_questions,
        scores.phash,
        image_duplicates.group_id,
        scores.reasons,
        candidates.licence,
        candidates.output_may_train,
        case
            when candidates.kind = 'generated' then coalesce(candidates.output_may_train, false)
            else size(policies.licences) = 0 or coalesce(array_contains(policies.licences, candidates.licence), false)
        end as licence_allowed,
        candidates.kind = 'photograph' or accepted_texts.prompt_id is not null as prompt_accepted,
        verdicts.verdict,
        verdicts.reviewer,
        coalesce(denied_images.reason, denied_files.reason, denied_prompts.reason) is not null as denied,
        coalesce(denied_images.reason, denied_files.reason, denied_prompts.reason) as denied_reason,
        policies.best_by,
        policies.best_of
    from candidates
    join policies
        on candidates.policy = policies.policy
    left join scores
        on candidates.image_id = scores.image_id
    left join judge_scores
        on candidates.image_id = judge_scores.image_id
        and policies.judge = judge_scores.model
    left join image_duplicates
        on candidates.image_id = image_duplicates.image_id
    left join accepted_texts
        on candidates.policy = accepted_texts.policy
        and candidates.prompt_id = accepted_texts.prompt_id
        and candidates.variant = accepted_texts.variant
    left join verdicts
        on candidates.image_id = verdicts.image_id
        and verdicts.place = 1
    left join denied as denied_images
        on denied_images.kind = 'image_id'
        and candidates.image_id = denied_images.value
    left join denied as denied_files
        on denied_files.kind = 'sha256'
        and candidates.sha256 = denied_files.value
    left join denied as denied_prompts
        on denied_prompts.kind = 'prompt_id'
        and candidates.prompt_id = denied_prompts.value
)

select * from facts
