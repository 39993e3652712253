-- grain: (kind, task, category, style): every stratum that a prompt, a generated picture or a photograph lies in.
-- purpose: thresholds are matched with strata, never with pictures, so that no picture is compared with every threshold.
-- try: select kind, count(*) from strata group by kind
with strata as (
    select distinct 'prompt' as kind, task, category, style from prompts where status = 'ok'
    union all
    select distinct 'generated' as kind, task, category, style from images
    union all
    select distinct 'photograph' as kind, task, category, style from photos
)

select * from strata
