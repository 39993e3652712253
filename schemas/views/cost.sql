-- grain: (policy, stage): every stage that a model works in. Enhancing, rendering, captioning and judging count with the policy's own
--   models; writing (by language models), deduplicating, screening and scoring know no policy and count in full for each.
-- purpose: model seconds, errors included, in all and for each picture that is kept: where the bill comes from.
-- try: select stage, seconds, seconds_a_kept_picture from cost order by seconds desc
with work as (
    select policies.policy, 'write' as stage, prompts.seconds
    from prompts
    cross join policies
    where prompts.seconds is not null
    union all
    select policies.policy, 'deduplicate' as stage, prompt_duplicates.seconds
    from prompt_duplicates
    cross join policies
    union all
    select policies.policy, 'screen' as stage, prompt_scores.seconds
    from prompt_scores
    cross join policies
    union all
    select policies.policy, 'enhance' as stage, enhanced_prompts.seconds
    from enhanced_prompts
    join policies
        on enhanced_prompts.model = policies.enhancer
    union all
    select policies.policy, 'generate' as stage, images.seconds
    from images
    join policies
        on array_contains(policies.generator_specs, images.spec_id)
    union all
    select policies.policy, 'caption' as stage, captions.seconds
    from captions
    join policies
        on captions.model = policies.captioner
    union all
    select policies.policy, 'score' as stage, raw_scores.seconds
    from raw_scores
    cross join policies
    union all
    select policies.policy, 'judge' as stage, judgements.seconds
    from judgements
    join policies
        on judgements.model = policies.judge
),

spent as (
    select
        policy,
        stage,
        count(*) as facts,
        sum(seconds) as seconds
    from work
    group by policy, stage
),

kept as (
    select policy, count_if(kept) as pictures
    from image_decisions
    group by policy
),

shared as (
    select
        spent.policy,
        spent.stage,
        spent.facts,
        spent.seconds,
        spent.seconds / nullif(kept.pictures, 0) as seconds_a_kept_picture
    from spent
    left join kept
        on spent.policy = kept.policy
)

select * from shared
