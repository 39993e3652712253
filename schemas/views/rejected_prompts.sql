-- grain: (policy, prompt_id): every original text that the policy does not accept.
-- purpose: the complement of accepted_prompts, with every reason that applies. lost_atoms: the facts that prompt_atoms_held misses.
-- try: select text, reject_reasons from rejected_prompts limit 10
with rejected as (
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
        writer,
        transform(failures, f -> f.reason) as reject_reasons,
        lost_atoms
    from prompt_checks
    where variant = 'original' and size(failures) > 0
)

select * from rejected
