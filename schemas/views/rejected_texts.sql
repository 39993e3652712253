-- grain: (policy, prompt_id, variant): every text, original or enhanced, that may not be rendered.
-- purpose: the complement of accepted_texts, with every reason that applies. Where an enhanced text is rejected for itself, the original
--   goes on alone. lost_atoms: the facts that prompt_atoms_held misses.
-- try: select text, reject_reasons, lost_atoms from rejected_texts where variant = 'enhanced' limit 10
with counted as (
    select
        *,
        sum(case when variant = 'original' then size(failures) else 0 end) over (
            partition by policy, prompt_id
        ) as failures_of_original
    from prompt_checks
),

reasoned as (
    select
        policy,
        prompt_id,
        variant,
        text,
        atoms,
        task,
        category,
        style,
        template,
        source,
        writer,
        concat(
            transform(failures, f -> f.reason),
            case
                when variant = 'enhanced' and failures_of_original > 0 then array('the original is rejected')
                else array()
            end
        ) as reject_reasons,
        lost_atoms
    from counted
),

rejected as (
    select *
    from reasoned
    where size(reject_reasons) > 0
)

select * from rejected
