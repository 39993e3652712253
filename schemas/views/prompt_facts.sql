-- grain: (prompt_id, variant, model): every text that was written or brought (original), and every enhancer's text (enhanced).
-- purpose: what is known of a text, before any policy: its labels, the prompt that it repeats, the scores of its screens.
--   model: the enhancer; null for an original. screened: whether the screens have answered; their newest answer counts.
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

newest as (
    select
        *,
        row_number() over (partition by prompt_id order by created_at desc, screener desc) as place
    from prompt_scores
    where status = 'ok'
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
        newest.prompt_id is not null as screened,
        newest.prompt_words,
        newest.prompt_broken,
        newest.prompt_residue,
        newest.prompt_repetition,
        newest.prompt_language,
        newest.prompt_unsafe_margin,
        newest.prompt_contacts,
        newest.prompt_listed_names,
        newest.prompt_evaluation_exact,
        newest.prompt_evaluation_overlap,
        newest.prompt_evaluation_similarity,
        newest.prompt_category_similarity,
        newest.prompt_style_similarity,
        newest.prompt_attributes,
        newest.prompt_atoms_held,
        newest.prompt_qwen3_guard,
        newest.prompt_llama_guard_3,
        newest.prompt_judge_category,
        newest.prompt_judge_style,
        newest.prompt_judge_atoms,
        newest.lost_atoms,
        newest.verdicts
    from compared
    left join newest
        on compared.prompt_id = newest.prompt_id
        and newest.place = 1
),

enhanced_texts as (
    select
        *,
        row_number() over (partition by prompt_id, model order by created_at desc) as place
    from enhanced_prompts
    where status = 'ok'
),

enhanced as (
    select
        compared.prompt_id,
        'enhanced' as variant,
        enhanced_texts.model,
        enhanced_texts.text,
        enhanced_texts.atoms,
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
        enhanced_texts.prompt_words,
        enhanced_texts.prompt_broken,
        enhanced_texts.prompt_residue,
        enhanced_texts.prompt_repetition,
        enhanced_texts.prompt_language,
        enhanced_texts.prompt_unsafe_margin,
        enhanced_texts.prompt_contacts,
        enhanced_texts.prompt_listed_names,
        enhanced_texts.prompt_evaluation_exact,
        enhanced_texts.prompt_evaluation_overlap,
        enhanced_texts.prompt_evaluation_similarity,
        enhanced_texts.prompt_category_similarity,
        enhanced_texts.prompt_style_similarity,
        enhanced_texts.prompt_attributes,
        enhanced_texts.prompt_atoms_held,
        enhanced_texts.prompt_qwen3_guard,
        enhanced_texts.prompt_llama_guard_3,
        enhanced_texts.prompt_judge_category,
        enhanced_texts.prompt_judge_style,
        enhanced_texts.prompt_judge_atoms,
        enhanced_texts.lost_atoms,
        enhanced_texts.verdicts
    from enhanced_texts
    join compared
        on enhanced_texts.prompt_id = compared.prompt_id
    where enhanced_texts.place = 1
),

both_variants as (
    select * from originals
    union all
    select * from enhanced
)

select * from both_variants
