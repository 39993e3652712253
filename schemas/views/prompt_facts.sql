-- grain: (prompt_id, variant, model): every text that was written or brought (original), and every enhancer's text (enhanced).
-- purpose: what is known of a text, before any policy: its labels, the prompt that it repeats, the scores of its screens.
--   model: the enhancer; null for an original. screened: whether the screens have answered.
-- try: select text, prompt_words from prompt_facts where variant = 'original' order by prompt_words desc limit 10
with compared as (
    select
        prompts.prompt_id,
        prompts.text,
        prompts.atoms,
        prompts.task,
        prompts.category,
        prompts.style,
        prompts.template,
        prompts.source,
        prompts.writer,
        prompt_duplicates.kept_id,
        prompt_duplicates.reason as duplicate_reason,
        prompt_duplicates.similarity
    from prompts
    left join prompt_duplicates
        on prompts.prompt_id = prompt_duplicates.prompt_id
    where prompts.status = 'ok'
),

originals as (
    select
        compared.prompt_id,
        'original' as variant,
        cast(null as string) as model,
        compared.text,
        compared.atoms,
        compared.task,
        compared.category,
        compared.style,
        compared.template,
        compared.source,
        compared.writer,
        compared.kept_id,
        compared.duplicate_reason,
        compared.similarity,
        prompt_scores.prompt_id is not null as screened,
        prompt_scores.prompt_words,
        prompt_scores.prompt_residue,
        prompt_scores.prompt_repetition,
        prompt_scores.prompt_language,
        prompt_scores.prompt_unsafe_margin,
        prompt_scores.prompt_evaluation_overlap,
        prompt_scores.prompt_attributes
    from compared
    left join prompt_scores
        on compared.prompt_id = prompt_scores.prompt_id
),

enhanced as (
    select
        compared.prompt_id,
        'enhanced' as variant,
        enhanced_prompts.model,
        enhanced_prompts.text,
        enhanced_prompts.atoms,
        compared.task,
        compared.category,
        compared.style,
        compared.template,
        compared.source,
        compared.writer,
        compared.kept_id,
        compared.duplicate_reason,
        compared.similarity,
        true as screened,
        enhanced_prompts.prompt_words,
        enhanced_prompts.prompt_residue,
        enhanced_prompts.prompt_repetition,
        enhanced_prompts.prompt_language,
        enhanced_prompts.prompt_unsafe_margin,
        enhanced_prompts.prompt_evaluation_overlap,
        enhanced_prompts.prompt_attributes
    from enhanced_prompts
    join compared
        on enhanced_prompts.prompt_id = compared.prompt_id
    where enhanced_prompts.status = 'ok'
),

both_variants as (
    select * from originals
    union all
    select * from enhanced
)

select * from both_variants
