-- grain: (policy, prompt_id): every original text that the policy accepts.
-- purpose: what enhance_prompts enhances: its own kept_id, screened, within every gate, not denied.
-- try: select task, count(*) as prompts from accepted_prompts group by task
with accepted as (
    select
        policy,
        prompt_id,
        text,
        atoms,
        task,
        category,
        style,
        template,
        source,
        writer
    from prompt_checks
    where variant = 'original' and size(failures) = 0
)

select * from accepted
