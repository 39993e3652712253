-- grain: (policy, kind, value): every fact that original prompts ask for: a color, a count, a relation, an object, an absent thing, ...
-- purpose: how often each is asked, as written, kept and accepted; share: of the accepted prompts' facts of this kind. A prompt counts
--   once for a value, however many of its things have it.
-- try: select value, written, accepted, share from atom_balance where kind = 'color' order by accepted desc
with exploded as (
    select
        policy,
        prompt_id,
        kept_id = prompt_id as is_kept,
        size(failures) = 0 as is_accepted,
        explode(atoms) as entry
    from prompt_checks
    where variant = 'original' and atoms is not null
),

once as (
    select distinct
        policy,
        prompt_id,
        coalesce(is_kept, false) as is_kept,
        is_accepted,
        entry.kind as kind,
        case when entry.kind = 'absence' then entry.subject else entry.value end as value
    from exploded
),

counted as (
    select
        policy,
        kind,
        value,
        count(*) as written,
        count_if(is_kept) as kept,
        count_if(is_accepted) as accepted
    from once
    group by policy, kind, value
),

shared as (
    select
        *,
        accepted / nullif(sum(accepted) over (partition by policy, kind), 0) as share
    from counted
)

select * from shared
