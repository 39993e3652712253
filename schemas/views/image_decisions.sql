-- grain: (policy, image_id): every candidate.
-- purpose: whether a picture is kept, and everything that stands against it. In order: floors (the text, gates, denylist, licence, review), then
--   best of n within (prompt, variant, regime, generator), then one picture a group of look-alikes, then quotas. Every floor that
--   applies is listed; a later step sees only the survivors of the earlier ones. Ties break on image_id; a photograph is its own group of n.
--   A person's last verdict: 'keep' overrides failed gates, never the text, the denylist or the licence, and goes first in the later
--   steps; 'reject' rejects.
--   failures: ordinal, step, gate, reason. Ordinals: 1 text, 10 + the gate's, 101 denied, 102 licence, 103 review, 201 best of n,
--   202 duplicates, 203 quota.
-- try: select reject_reasons, count(*) as pictures from image_decisions group by reject_reasons order by pictures desc limit 10
with floors as (
    select
        *,
        coalesce(verdict = 'keep', false) as kept_by_a_person,
        case
            when coalesce(verdict, '') <> 'keep' and checks is not null
                then transform(
                    filter(checks, c -> c.reason is not null),
                    c -> struct(10 + c.ordinal as ordinal, 'gate' as step, c.gate as gate, c.reason as reason)
                )
            else array()
        end as gate_failures,
        array_compact(array(
            case
                when not prompt_accepted
                    then struct(1 as ordinal, 'text' as step, cast(null as string) as gate, 'text: not accepted' as reason)
            end
        )) as text_failures,
        array_compact(array(
            case
                when denied
                    then struct(101 as ordinal, 'denied' as step, cast(null as string) as gate, concat('denied: ', denied_reason) as reason)
            end,
            case
                when not licence_allowed
                    then struct(
                        102 as ordinal,
                        'licence' as step,
                        cast(null as string) as gate,
                        concat('licence: ', coalesce(licence, 'unknown')) as reason
                    )
            end,
            case
                when verdict = 'reject'
                    then struct(
                        103 as ordinal,
                        'review' as step,
                        cast(null as string) as gate,
                        concat('review: rejected by ', reviewer) as reason
                    )
            end
        )) as other_failures
    from image_checks
),

passing as (
    select
        *,
        size(gate_failures) + size(text_failures) + size(other_failures) = 0 as passes_floors
    from floors
),

ranked as (
    select
        *,
        row_number() over (
            partition by policy, passes_floors, coalesce(prompt_id, image_id), variant, regime, generator
            order by kept_by_a_person desc, rank_score desc nulls last, image_id
        ) as best_place
    from passing
),

best as (
    select
        *,
        passes_floors and best_place <= best_of as is_best_of_n
    from ranked
),

compared as (
    select
        *,
        first_value(image_id) over (
            partition by policy, is_best_of_n, coalesce(group_id, image_id)
            order by kept_by_a_person desc, rank_score desc nulls last, image_id
        ) as keeper_id
    from best
),

distinct_pictures as (
    select
        *,
        is_best_of_n and keeper_id = image_id as is_distinct
    from compared
),

limits as (
    select
        quotas.policy,
        strata.kind,
        strata.task,
        strata.category,
        strata.style,
        quotas.at_most,
        row_number() over (
            partition by quotas.policy, strata.kind, strata.task, strata.category, strata.style
            order by
                case when quotas.task is null then 0 else 12 end
                + case when quotas.category is null then 0 else 10 end
                + case when quotas.style is null then 0 else 9 end desc,
                quotas.at_most
        ) as place
    from quotas
    join strata
        on coalesce(quotas.task, strata.task) = strata.task
        and coalesce(quotas.category, strata.category) = strata.category
        and coalesce(quotas.style, strata.style) = strata.style
),

placed as (
    select
        distinct_pictures.*,
        limits.at_most,
        row_number() over (
            partition by
                distinct_pictures.policy,
                distinct_pictures.is_distinct,
                distinct_pictures.task,
                distinct_pictures.category,
                distinct_pictures.style
            order by distinct_pictures.kept_by_a_person desc, distinct_pictures.rank_score desc nulls last, distinct_pictures.image_id
        ) as quota_place
    from distinct_pictures
    left join limits
        on limits.place = 1
        and distinct_pictures.policy = limits.policy
        and distinct_pictures.kind = limits.kind
        and distinct_pictures.task = limits.task
        and distinct_pictures.category = limits.category
        and distinct_pictures.style = limits.style
),

failed as (
    select
        *,
        concat(
            text_failures,
            gate_failures,
            other_failures,
            array_compact(array(
                case
                    when passes_floors and not is_best_of_n
                        then struct(
                            201 as ordinal,
                            'best of n' as step,
                            cast(null as string) as gate,
                            concat('best of n: rank ', cast(best_place as string), ' by ', best_by) as reason
                        )
                    when is_best_of_n and not is_distinct
                        then struct(
                            202 as ordinal, 'duplicates' as step, cast(null as string) as gate, concat('duplicate of ', keeper_id) as reason
                        )
                    when is_distinct and quota_place > at_most
                        then struct(
                            203 as ordinal,
                            'quota' as step,
                            cast(null as string) as gate,
                            concat('quota: ', cast(at_most as string), ' at most') as reason
                        )
                end
            ))
        ) as failures
    from placed
),

decided as (
    select
        policy,
        image_id,
        kind,
        size(failures) = 0 as kept,
        is_best_of_n,
        transform(failures, f -> f.reason) as reject_reasons,
        transform(gate_failures, f -> f.reason) as gate_reasons,
        prompt_id,
        variant,
        regime,
        generator,
        candidate,
        task,
        category,
        style,
        passes_floors,
        rank_score,
        best_place,
        failures,
        size(filter(checks, c -> c.passed is null)) > 0 as judge_not_asked,
        model,
        text,
        long_caption,
        width,
        height,
        sha256,
        licence,
        group_id,
        phash,
        blur,
        noise,
        blockiness,
        clipping,
        border,
        entropy,
        clip_scenes_similarity,
        clip_l14_similarity,
        aesthetic_laion_v2,
        aesthetic_predictor_v_2_5_score,
        watermark_laion,
        nsfw_opennsfw,
        text_accuracy_rapidocr,
        scene_detector,
        scene_detector_weakest,
        judge,
        judge_weakest
    from failed
)

select * from decided
