-- grain: (variant, model, writer, template): the screened texts of a writer and template; of enhanced ones, of an enhancer (model) too.
-- purpose: how long the texts are, in words: a tenth has lower_tenth words or fewer, half the median, nine tenths upper_tenth.
-- try: select variant, template, texts, lower_tenth, median, upper_tenth from prompt_lengths order by variant, template
with ranked as (
    select
        variant,
        model,
        writer,
        template,
        prompt_words,
        row_number() over (partition by variant, model, writer, template order by prompt_words, prompt_id) as place,
        count(*) over (partition by variant, model, writer, template) as size
    from prompt_facts
    where prompt_words is not null
),

measured as (
    select
        variant,
        model,
        writer,
        template,
        count(*) as texts,
        min(prompt_words) as shortest,
        min(case when place * 10 >= size then prompt_words end) as lower_tenth,
        min(case when place * 2 >= size then prompt_words end) as median,
        min(case when place * 10 >= size * 9 then prompt_words end) as upper_tenth,
        max(prompt_words) as longest,
        avg(prompt_words) as mean
    from ranked
    group by variant, model, writer, template
)

select * from measured
