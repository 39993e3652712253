-- grain: (policy, image_id): every candidate, its facts and what every gate of its kind and stratum says.
-- purpose: the one place where a picture meets its gates; no bytes. checks: array of ordinal, gate, value, minimum, maximum, passed, reason.
--   A gated score that is missing fails ('x: missing', the scorer's own reason in brackets). stopped: something cheaper than the judge stands
--   against the picture; then a judge's gate that has no score yet says nothing (passed and reason are null), else it fails: 'not judged yet'.
--   Numbers in a reason have four decimals, and nine where value and limit are so close that four might show them equal.
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

valued as (
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
                case
                    when scores[g.gate] < g.minimum then g.minimum
                    when scores[g.gate] > g.maximum then g.maximum
                end as crossed
            )
        ) as valued_gates
    from named
),

compared as (
    select
        *,
        transform(
            valued_gates,
            g -> struct(
                g.ordinal as ordinal,
                g.gate as gate,
                g.value as value,
                g.minimum as minimum,
                g.maximum as maximum,
                g.gate in ('judge', 'judge_weakest') as is_judge,
                g.value is not null and g.crossed is null as passed,
                case
                    when g.crossed is not null
                        then transform(
                            array(cast(g.value as decimal(24, 9)), cast(g.crossed as decimal(24, 9))),
                            n -> regexp_replace(
                                cast(case when abs(g.value - g.crossed) < 0.0001 then n else round(n, 4) end as string),
                                '[.]?0+$',
                                ''
                            )
                        )
                end as shown
            )
        ) as compared_gates
    from valued
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
                            g.shown[0],
                            case when g.value < g.minimum then ' < ' else ' > ' end,
                            g.shown[1]
                        )
                end as reason
            )
        ) as checks
    from cascaded
)

select * from checked
