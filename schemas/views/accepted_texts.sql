-- grain: (policy, prompt_id, variant): the texts that may be rendered.
-- purpose: what generate_images renders: accepted originals, and the enhanced texts of accepted prompts which pass the gates themselves.
-- try: select variant, count(*) as texts from accepted_texts group by variant
with counted as (
    select
        *,
        sum(case when variant = 'original' then size(failures) else 0 end) over (
            partition by policy, prompt_id
        ) as failures_of_original
    from prompt_checks
),

accepted as (
    select
        policy,
        prompt_id,
        variant,
        text,
        atoms,
        task,
        category,
        style
    from counted
    where size(failures) = 0 and failures_of_original = 0
)

select * from accepted
