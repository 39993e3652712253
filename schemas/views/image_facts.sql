-- grain: (policy, image_id): every candidate.
-- purpose: all that is known of a picture, a column a fact; no bytes, no decision. judge, judge_weakest: of the policy's judge, once every
--   atom has its answer. group_id: pictures that look the same share it. prompt_accepted: whether its text is still in accepted_texts.
--   licence_allowed: a generator's licence must let its output train a model; a photograph's must be among the policy's.
--   denied: by id, by its prompt's id or by the SHA-256 of its file, of a photograph also of the file that it was read from.
-- try: select style, avg(scene_detector) as mean, avg(blur) as blur from image_facts group by style
with denied as (
    select
        kind,
        case when kind = 'sha256' then lower(value) else value end as denied_value,
        min(reason) as reason
    from denylist
    group by kind, case when kind = 'sha256' then lower(value) else value end
),

verdicts as (
    select
        image_id,
        verdict,
        reviewer,
        row_number() over (partition by image_id order by created_at desc, reviewer) as place
    from reviews
),

asked as (
    select
        *,
        greatest(coalesce(size(array_distinct(atoms)), 0), 1) as judge_questions
    from candidates
),

facts as (
    select
        asked.policy,
        asked.image_id,
        asked.kind,
        asked.prompt_id,
        asked.variant,
        asked.regime,
        asked.generator,
        asked.candidate,
        asked.model,
        asked.text,
        asked.long_caption,
        asked.atoms,
        asked.width,
        asked.height,
        asked.sha256,
        asked.task,
        asked.category,
        asked.style,
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
        case when judge_scores.answers >= asked.judge_questions then judge_scores.judge end as judge,
        case when judge_scores.answers >= asked.judge_questions then judge_scores.judge_weakest end as judge_weakest,
        judge_scores.answers as judge_answers,
        asked.judge_questions,
        scores.phash,
        image_duplicates.group_id,
        scores.reasons,
        asked.licence,
        case
            when asked.kind = 'generated' then coalesce(array_contains(policies.trainable_specs, asked.spec_id), false)
            else size(policies.licences) = 0 or coalesce(array_contains(policies.licences, asked.licence), false)
        end as licence_allowed,
        asked.kind = 'photograph' or accepted_texts.prompt_id is not null as prompt_accepted,
        verdicts.verdict,
        verdicts.reviewer,
        coalesce(denied_images.reason, denied_files.reason, denied_sources.reason, denied_prompts.reason) as denied_reason,
        policies.best_by,
        policies.best_of
    from asked
    join policies
        on asked.policy = policies.policy
    left join scores
        on asked.image_id = scores.image_id
    left join judge_scores
        on asked.image_id = judge_scores.image_id
        and policies.judge = judge_scores.model
    left join image_duplicates
        on asked.image_id = image_duplicates.image_id
    left join accepted_texts
        on asked.policy = accepted_texts.policy
        and asked.prompt_id = accepted_texts.prompt_id
        and asked.variant = accepted_texts.variant
    left join verdicts
        on asked.image_id = verdicts.image_id
        and verdicts.place = 1
    left join denied as denied_images
        on denied_images.kind = 'image_id'
        and asked.image_id = denied_images.denied_value
    left join denied as denied_files
        on denied_files.kind = 'sha256'
        and asked.sha256 = denied_files.denied_value
    left join denied as denied_sources
        on denied_sources.kind = 'sha256'
        and asked.source_sha256 = denied_sources.denied_value
    left join denied as denied_prompts
        on denied_prompts.kind = 'prompt_id'
        and asked.prompt_id = denied_prompts.denied_value
),

marked as (
    select
        *,
        denied_reason is not null as denied
    from facts
)

select * from marked
