-- grain: (policy, image_id): every candidate, its facts and what every gate of its kind and stratum says.
-- purpose: the one place where a picture meets its gates; no bytes. checks: array of ordinal, gate, value, minimum, maximum, passed, reason.
--   A gated score that is missing fails ('x: missing', the scorer's own reason in brackets). stopped: something cheaper than the judge stands
--   against the picture; then a judge's gate that has no score yet says nothing (passed and reason are null), else it fails: 'not judged yet'.
--   rank_score: the score that ranks pictures, named by the policy's best_by. A new score needs one line in the map.
-- try: select image_id, checks from image_checks where not stopped limit 5
with gates as (
    select
        policy,
        kind,
        task,
        category,
        style,
        sort_array(collect_list(struct(ordinal, gate, minimum, maximum))) as gates
    from stratum_thresholds
    where kind <> 'prompt'
    group by policy, kind, task, category, style
),

named as (
    select
        image_facts.*,
        gates.gates,
        map(
            'blur', blur,
            'noise', noise,
            'blockiness', blockiness,
            'clipping', clipping,
            'border', border,
            'entropy', entropy,
            'clip_scenes_similarity', clip_scenes_similarity,
            'clip_l14_similarity', clip_l14_similarity,
            'aesthetic_laion_v2', aesthetic_laion_v2,
            'aesthetic_predictor_v_2_5_score', aesthetic_predictor_v_2_5_score,
            'watermark_laion', watermark_laion,
            'nsfw_opennsfw', nsfw_opennsfw,
            'text_accuracy_rapidocr', text_accuracy_rapidocr,
            'scene_detector', scene_detector,
            'scene_detector_weakest', scene_detector_weakest,
            'judge', judge,
            'judge_weakest', judge_weakest
        ) as scores
    from image_facts
    left join gates
        on image_facts.policy = gates.policy
        and image_facts.kind = gates.kind
        and image_facts.task = gates.task
        and image_facts.category = gates.category
        and image_facts.style = gates.style
),

compared as (
    select
        *,
        scores[best_by] as rank_score,
        transform(
            gates,
            g -> struct(
                g.ordinal as ordinal,
                g.gate as gate,
                scores[g.gate] as value,
                g.minimum as minimum,
                g.maximum as maximum,
                g.gate in ('judge', 'judge_weakest') as is_judge,
                coalesce(
                    scores[g.gate] >= coalesce(g.minimum, scores[g.gate]) and scores[g.gate] <= coalesce(g.maximum, scores[g.gate]),
                    false
                ) as passed
            )
        ) as compared_gates
    from named
),

cascaded as (
    select
        *,
        denied
        or not licence_allowed
        or not prompt_accepted
        or coalesce(size(filter(compared_gates, g -> not g.passed and not g.is_judge)), 0) > 0 as stopped,
        coalesce(size(filter(compared_gates, g -> g.is_judge)), 0) > 0
        or (kind = 'generated' and best_by in ('judge', 'judge_weakest')) as to_judge
    from compared
),

checked as (
    select
        *,
        transform(
            compared_gates,
            g -> struct(
                g.ordinal as ordinal,
                g.gate as gate,
                g.value as value,
                g.minimum as minimum,
                g.maximum as maximum,
                case when g.is_judge and g.value is null and stopped then null else g.passed end as passed,
                case
                    when g.is_judge and g.value is null and stopped then null
                    when g.is_judge and g.value is null and judge_answers is null
                        then concat(g.gate, ': not judged yet')
                    when g.is_judge and g.value is null
                        then concat(
                            g.gate,
                            ': missing (',
                            cast(judge_answers as string),
                            ' of ',
                            cast(judge_questions as string),
                            ' questions answered)'
                        )
                    when g.value is null
                        then concat(g.gate, ': missing', coalesce(concat(' (', reasons[g.gate], ')'), ''))
                    when not g.passed
                        then concat(
                            g.gate,
                            ': ',
                            regexp_replace(cast(cast(g.value as decimal(18, 4)) as string), '[.]?0+$', ''),
                            case when g.value < g.minimum then ' < ' else ' > ' end,
                            regexp_replace(
                                cast(cast(case when g.value < g.minimum then g.minimum else g.maximum end as decimal(18, 4)) as string),
                                '[.]?0+$',
                                ''
                            )
                        )
                end as reason
            )
        ) as checks
    from cascaded
)

select * from checked
