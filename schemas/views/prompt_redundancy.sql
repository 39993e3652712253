-- grain: (writer, template): every writer's (or brought file's) prompts of a template; template is null for brought ones.
-- purpose: how much of what was written de-duplication removes: copies word for word (exact) and alike (semantic), of those compared.
-- try: select writer, template, compared, share_removed from prompt_redundancy order by share_removed desc
with originals as (
    select
        writer,
        template,
        kept_id is not null as is_compared,
        kept_id is not null and kept_id <> prompt_id as is_removed,
        coalesce(duplicate_reason, '') as reason
    from prompt_facts
    where variant = 'original'
),

counted as (
    select
        writer,
        template,
        count(*) as written,
        count_if(is_compared) as compared,
        count_if(is_removed and reason = 'exact') as exact,
        count_if(is_removed and reason <> 'exact') as semantic,
        count_if(is_compared and not is_removed) as kept
    from originals
    group by writer, template
),

shared as (
    select
        *,
        (exact + semantic) / nullif(compared, 0) as share_removed
    from counted
)

select * from shared
