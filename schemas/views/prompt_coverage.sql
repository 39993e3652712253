-- grain: (writer, task, category, style, template): every cell of the plan, and every cell that a prompt was written for.
-- purpose: what was asked for against what is there. written: prompts of status ok; failed: those with errors only, which
--   `--retry errors` asks for again; lacking: what neither is (the grammar has no more to say, or the run is not at its end).
--   Brought prompts belong to no cell.
-- try: select writer, sum(asked) as asked, sum(written) as written, sum(failed) as failed from prompt_coverage group by writer
with attempted as (
    select
        writer,
        task,
        category,
        style,
        template,
        prompt_id,
        max(case when status = 'ok' then 1 else 0 end) as is_ok
    from prompts
    where template is not null
    group by writer, task, category, style, template, prompt_id
),

cells as (
    select writer, task, category, style, template, asked, 0 as written, 0 as failed
    from prompt_plan
    union all
    select writer, task, category, style, template, 0 as asked, is_ok as written, 1 - is_ok as failed
    from attempted
),

summed as (
    select
        writer,
        task,
        category,
        style,
        template,
        cast(sum(asked) as bigint) as asked,
        cast(sum(written) as bigint) as written,
        cast(sum(failed) as bigint) as failed
    from cells
    group by writer, task, category, style, template
),

compared as (
    select
        *,
        greatest(asked - written - failed, 0) as lacking
    from summed
)

select * from compared
