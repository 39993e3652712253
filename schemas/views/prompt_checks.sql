-- grain: (policy, prompt_id, variant): every original text, and the texts of the policy's enhancer.
-- purpose: the one place where a text meets its gates. checks: what every gate says; failures: all that stands against the text,
--   in the funnel's order (1 duplicates, 2 screen, 10 + the gate's ordinal, 101 denied). An empty array: nothing.
--   Numbers in a reason: as in image_checks.
-- try: select text, failures from prompt_checks where size(failures) > 1 limit 10
with gates as (
    select
        policy,
        task,
        category,
        style,
        sort_array(collect_list(struct(ordinal, gate, minimum, maximum))) as gates
    from stratum_thresholds
    where kind = 'prompt'
    group by policy, task, category, style
),

denied as (
    select value, min(reason) as reason
    from denylist
    where kind = 'prompt_id'
    group by value
),

named as (
    select
        policies.policy,
        prompt_facts.*,
        gates.gates,
        denied.reason as denied_reason,
        map(
            'prompt_words', prompt_words,
            'prompt_broken', prompt_broken,
            'prompt_residue', prompt_residue,
            'prompt_repetition', prompt_repetition,
            'prompt_language', prompt_language,
            'prompt_unsafe_margin', prompt_unsafe_margin,
            'prompt_contacts', prompt_contacts,
            'prompt_listed_names', prompt_listed_names,
            'prompt_evaluation_exact', prompt_evaluation_exact,
            'prompt_evaluation_overlap', prompt_evaluation_overlap,
            'prompt_evaluation_similarity', prompt_evaluation_similarity,
            'prompt_category_similarity', prompt_category_similarity,
            'prompt_style_similarity', prompt_style_similarity,
            'prompt_attributes', prompt_attributes,
            'prompt_atoms_held', prompt_atoms_held,
            'prompt_qwen3_guard', prompt_qwen3_guard,
            'prompt_llama_guard_3', prompt_llama_guard_3,
            'prompt_judge_category', prompt_judge_category,
            'prompt_judge_style', prompt_judge_style,
            'prompt_judge_atoms', prompt_judge_atoms
        ) as scores
    from prompt_facts
    join policies
        on coalesce(prompt_facts.model, policies.enhancer) = policies.enhancer
    left join gates
        on policies.policy = gates.policy
        and prompt_facts.task = gates.task
        and prompt_facts.category = gates.category
        and prompt_facts.style = gates.style
    left join denied
        on prompt_facts.prompt_id = denied.value
),

valued as (
    select
        *,
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
                g.crossed as crossed,
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
                case
                    when g.value is null
                        then concat(g.gate, ': missing')
                    when g.crossed is not null
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
    from compared
),

weighed as (
    select
        policy,
        prompt_id,
        variant,
        text,
        atoms,
        task,
        category,
        style,
        template,
        source,
        writer,
        kept_id,
        screened,
        lost_atoms,
        checks,
        concat(
            array_compact(array(
                case
                    when kept_id is null
                        then struct(1 as ordinal, 'duplicates' as step, cast(null as string) as gate, 'not compared yet' as reason)
                    when kept_id <> prompt_id
                        then struct(
                            1 as ordinal, 'duplicates' as step, cast(null as string) as gate, concat('duplicate of ', kept_id) as reason
                        )
                    when not screened
                        then struct(2 as ordinal, 'screen' as step, cast(null as string) as gate, 'not screened yet' as reason)
                end
            )),
            case
                when screened and checks is not null
                    then transform(
                        filter(checks, c -> c.reason is not null),
                        c -> struct(10 + c.ordinal as ordinal, 'gate' as step, c.gate as gate, c.reason as reason)
                    )
                else array()
            end,
            array_compact(array(
                case
                    when denied_reason is not null
                        then struct(
                            101 as ordinal, 'denied' as step, cast(null as string) as gate, concat('denied: ', denied_reason) as reason
                        )
                end
            ))
        ) as failures
    from checked
)

select * from weighed
