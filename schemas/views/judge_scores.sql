-- grain: (image_id, model): every picture that a judge was asked about.
-- purpose: judge is the geometric mean of the answers to the picture's questions (Soft-TIFA), judge_weakest the smallest. Both are null while
--   a question has only errors. image_facts uses them only where every atom of the picture has its answer. A question that failed and was
--   answered later counts as answered. Rounded to nine digits, so that two engines agree on ties.
-- try: select model, count(*) as pictures, avg(judge) as mean, count_if(errors > 0) as unfinished from judge_scores group by model
with questions as (
    select
        image_id,
        model,
        question,
        max(case when status = 'ok' then answer end) as answer
    from judgements
    group by image_id, model, question
),

scored as (
    select
        image_id,
        model,
        count(answer) as answers,
        count(*) - count(answer) as errors,
        min(answer) as smallest,
        avg(ln(case when answer > 0 then answer end)) as mean_logarithm
    from questions
    group by image_id, model
),

finished as (
    select
        image_id,
        model,
        case
            when errors > 0 then null
            when smallest = 0 then 0.0D
            else round(exp(mean_logarithm), 9)
        end as judge,
        case when errors = 0 then smallest end as judge_weakest,
        answers,
        errors
    from scored
)

select * from finished
