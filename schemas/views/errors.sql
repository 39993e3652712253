-- grain: an attempt that failed and was never made good: a row of status error without a row of status ok for the same key.
-- purpose: what went wrong, of every model and pass; `--retry errors` does those of the recipe's own again.
--   id: the picture or the prompt; model: the model, or the pass of raw_scores.
-- try: select table_name, error_class, count(*) as attempts from errors group by table_name, error_class
with unanswered as (
    select
        'prompts' as table_name,
        failed.prompt_id as id,
        failed.writer as model,
        failed.error_class,
        failed.error_message,
        failed.created_at
    from prompts as failed
    left join prompts as answered
        on answered.status = 'ok'
        and answered.prompt_id = failed.prompt_id
    where failed.status = 'error' and answered.status is null
    union all
    select
        'prompt_embeddings' as table_name,
        failed.prompt_id as id,
        failed.model as model,
        failed.error_class,
        failed.error_message,
        failed.created_at
    from prompt_embeddings as failed
    left join prompt_embeddings as answered
        on answered.status = 'ok'
        and answered.prompt_id = failed.prompt_id
        and answered.model = failed.model
    where failed.status = 'error' and answered.status is null
    union all
    select
        'images' as table_name,
        failed.image_id as id,
        failed.model as model,
        failed.error_class,
        failed.error_message,
        failed.created_at
    from images as failed
    left join images as answered
        on answered.status = 'ok'
        and answered.image_id = failed.image_id
    where failed.status = 'error' and answered.status is null
    union all
    select
        'photos' as table_name,
        failed.image_id as id,
        cast(null as string) as model,
        failed.error_class,
        failed.error_message,
        failed.created_at
    from photos as failed
    left join photos as answered
        on answered.status = 'ok'
        and answered.image_id = failed.image_id
    where failed.status = 'error' and answered.status is null
    union all
    select
        'captions' as table_name,
        failed.image_id as id,
        failed.model as model,
        failed.error_class,
        failed.error_message,
        failed.created_at
    from captions as failed
    left join captions as answered
        on answered.status = 'ok'
        and answered.image_id = failed.image_id
        and answered.model = failed.model
    where failed.status = 'error' and answered.status is null
    union all
    select
        'prompt_scores' as table_name,
        failed.prompt_id as id,
        failed.screener as model,
        failed.error_class,
        failed.error_message,
        failed.created_at
    from prompt_scores as failed
    left join prompt_scores as answered
        on answered.status = 'ok'
        and answered.prompt_id = failed.prompt_id
        and (answered.screener = failed.screener or answered.created_at > failed.created_at)
    where failed.status = 'error' and answered.status is null
    union all
    select
        'enhanced_prompts' as table_name,
        failed.prompt_id as id,
        failed.model as model,
        failed.error_class,
        failed.error_message,
        failed.created_at
    from enhanced_prompts as failed
    left join enhanced_prompts as answered
        on answered.status = 'ok'
        and answered.prompt_id = failed.prompt_id
        and answered.model = failed.model
    where failed.status = 'error' and answered.status is null
    union all
    select
        'raw_scores' as table_name,
        failed.image_id as id,
        failed.pass as model,
        failed.error_class,
        failed.error_message,
        failed.created_at
    from raw_scores as failed
    left join raw_scores as answered
        on answered.status = 'ok'
        and answered.image_id = failed.image_id
        and answered.pass = failed.pass
    where failed.status = 'error' and answered.status is null
    union all
    select
        'judgements' as table_name,
        failed.image_id as id,
        failed.model as model,
        failed.error_class,
        failed.error_message,
        failed.created_at
    from judgements as failed
    left join judgements as answered
        on answered.status = 'ok'
        and answered.image_id = failed.image_id
        and answered.model = failed.model
        and answered.question = failed.question
    where failed.status = 'error' and answered.status is null
)

select * from unanswered
