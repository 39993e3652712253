-- grain: (policy, kind, gate, task, category, style): the one threshold that applies there.
-- purpose: a null label means all; the threshold with more labels wins, then task before category before style.
--   ordinal: the gate's place in conf/scores.py, cheap scores first; it orders reasons and the funnel.
-- try: select gate, minimum, maximum from stratum_thresholds where task = 'colors' and style = 'flat' order by ordinal
with matching as (
    select
        thresholds.policy,
        thresholds.kind,
        thresholds.gate,
        strata.task,
        strata.category,
        strata.style,
        thresholds.minimum,
        thresholds.maximum,
        row_number() over (
            partition by
                thresholds.policy, thresholds.kind, thresholds.gate, strata.task, strata.category, strata.style
            order by
                case when thresholds.task is null then 0 else 12 end
                + case when thresholds.category is null then 0 else 10 end
                + case when thresholds.style is null then 0 else 9 end desc,
                thresholds.minimum desc nulls last,
                thresholds.maximum asc nulls last
        ) as place
    from thresholds
    join strata
        on thresholds.kind = strata.kind
        and coalesce(thresholds.task, strata.task) = strata.task
        and coalesce(thresholds.category, strata.category) = strata.category
        and coalesce(thresholds.style, strata.style) = strata.style
),

most_specific as (
    select
        policy,
        kind,
        gate,
        task,
        category,
        style,
        minimum,
        maximum,
        cast(array_position(
            array(
                'prompt_words',
                'prompt_broken',
                'prompt_residue',
                'prompt_repetition',
                'prompt_language',
                'prompt_unsafe_margin',
                'prompt_contacts',
                'prompt_listed_names',
                'prompt_evaluation_exact',
                'prompt_evaluation_overlap',
                'prompt_evaluation_similarity',
                'prompt_category_similarity',
                'prompt_style_similarity',
                'prompt_attributes',
                'prompt_atoms_held',
                'prompt_qwen3_guard',
                'prompt_llama_guard_3',
                'prompt_judge_category',
                'prompt_judge_style',
                'prompt_judge_atoms',
                'blur',
                'noise',
                'blockiness',
                'clipping',
                'border',
                'entropy',
                'clip_scenes_similarity',
                'clip_l14_similarity',
                'aesthetic_laion_v2',
                'aesthetic_predictor_v_2_5_score',
                'watermark_laion',
                'nsfw_opennsfw',
                'text_accuracy_rapidocr',
                'scene_detector',
                'scene_detector_weakest',
                'judge',
                'judge_weakest'
            ),
            gate
        ) as int) as ordinal
    from matching
    where place = 1
)

select * from most_specific
