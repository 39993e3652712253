-- grain: (policy, image_id): every kept picture.
-- purpose: what export_webdataset ships, without the bytes. caption is the .txt: the very text that the picture was made from, or the short
--   caption. enhanced_prompt: the enhanced text where that was sent, the long caption of a photograph, else null: it would describe what the
--   picture does not hold. subset: the released folder. source, author, source_url: where a prompt or a photograph comes from.
-- try: select subset, count(*) as pictures, avg(judge) as judge from training_set group by subset
with shipped as (
    select
        decisions.policy,
        decisions.image_id,
        decisions.kind,
        case
            when decisions.kind = 'photograph' then 'curated'
            else concat(
                'synthetic_',
                decisions.variant,
                '_prompt_',
                case when decisions.regime = 'square' then 'square' else 'random' end,
                '_resolution'
            )
        end as subset,
        decisions.text as caption,
        decisions.prompt_id,
        case when decisions.kind = 'photograph' then decisions.text else prompts.text end as prompt,
        case
            when decisions.kind = 'photograph' then decisions.long_caption
            when decisions.variant = 'enhanced' then decisions.text
        end as enhanced_prompt,
        decisions.variant,
        decisions.regime,
        decisions.generator,
        decisions.candidate,
        decisions.task,
        decisions.category,
        decisions.style,
        prompts.template,
        decisions.width,
        decisions.height,
        decisions.sha256,
        decisions.licence,
        decisions.model,
        prompts.writer,
        case when decisions.variant = 'enhanced' then policies.enhancer end as enhancer,
        case when decisions.kind = 'photograph' then policies.captioner end as captioner,
        coalesce(prompts.source, photos.source) as source,
        photos.author,
        photos.source_url,
        decisions.group_id,
        decisions.phash,
        decisions.blur,
        decisions.noise,
        decisions.blockiness,
        decisions.clipping,
        decisions.border,
        decisions.entropy,
        decisions.clip_scenes_similarity,
        decisions.clip_l14_similarity,
        decisions.aesthetic_laion_v2,
        decisions.aesthetic_predictor_v_2_5_score,
        decisions.watermark_laion,
        decisions.nsfw_opennsfw,
        decisions.text_accuracy_rapidocr,
        decisions.scene_detector,
        decisions.scene_detector_weakest,
        decisions.judge,
        decisions.judge_weakest
    from image_decisions as decisions
    join policies
        on decisions.policy = policies.policy
    left join prompts
        on decisions.prompt_id = prompts.prompt_id
        and prompts.status = 'ok'
    left join photos
        on decisions.image_id = photos.image_id
        and photos.status = 'ok'
    where decisions.kept
)

select * from shipped
