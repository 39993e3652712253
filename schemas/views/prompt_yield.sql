-- grain: (policy, writer, task, category, style, template): every cell of the plan, and every cell that a prompt was written for or brought to.
-- purpose: coverage of the plan, past screening: asked and written as in prompt_coverage (null for brought prompts, which no plan asked
--   for), kept by de-duplication, accepted, and enhanced: accepted with an accepted longer text. share = accepted / asked.
-- try: select task, sum(asked) as asked, sum(accepted) as accepted from prompt_yield group by task order by task
with texts as (
    select
        policy,
        prompt_id,
        writer,
        task,
        category,
        style,
        template,
        max(case when variant = 'original' and kept_id = prompt_id then 1 else 0 end) as is_kept,
        max(case when variant = 'original' and size(failures) = 0 then 1 else 0 end) as is_accepted,
        max(case when variant = 'enhanced' and size(failures) = 0 then 1 else 0 end) as has_longer
    from prompt_checks
    group by
        policy,
        prompt_id,
        writer,
        task,
        category,
        style,
        template
),

cells as (
    select
        policies.policy,
        prompt_coverage.writer,
        prompt_coverage.task,
        prompt_coverage.category,
        prompt_coverage.style,
        prompt_coverage.template,
        prompt_coverage.asked,
        prompt_coverage.written,
        0 as is_kept,
        0 as is_accepted,
        0 as is_enhanced
    from prompt_coverage
    cross join policies
    union all
    select
        policy,
        writer,
        task,
        category,
        style,
        template,
        cast(null as bigint) as asked,
        cast(null as bigint) as written,
        is_kept,
        is_accepted,
        is_accepted * has_longer as is_enhanced
    from texts
),

summed as (
    select
        policy,
        writer,
        task,
        category,
        style,
        template,
        cast(sum(asked) as bigint) as asked,
        cast(sum(written) as bigint) as written,
        cast(sum(is_kept) as bigint) as kept,
        cast(sum(is_accepted) as bigint) as accepted,
        cast(sum(is_enhanced) as bigint) as enhanced
    from cells
    group by policy, writer, task, category, style, template
),

shared as (
    select
        *,
        accepted / nullif(asked, 0) as share
    from summed
)

select * from shared
