-- grain: (policy, image_id): every picture that the policy may select.
-- purpose: ok pictures of the policy's generators, and ok photographs with an ok caption of its captioner; what scorers read.
--   text: what was sent to the generator, or the short caption. atoms: the facts that this text states; null where nobody recorded them.
--   An enhanced picture counts only while its text is the one of the policy's enhancer. image is last: leave it out and no byte is read.
-- try: select kind, variant, regime, count(*) as pictures from candidates group by kind, variant, regime
with enhanced_texts as (
    select
        prompt_id,
        model,
        text,
        atoms,
        row_number() over (partition by prompt_id, model order by created_at desc) as place
    from enhanced_prompts
    where status = 'ok'
),

generated as (
    select
        policies.policy,
        images.image_id,
        'generated' as kind,
        images.prompt_id,
        images.variant,
        images.regime,
        images.generator,
        images.candidate,
        images.model,
        images.text,
        cast(null as string) as long_caption,
        case when images.variant = 'enhanced' then enhanced_texts.atoms else prompts.atoms end as atoms,
        images.width,
        images.height,
        images.sha256,
        cast(null as string) as source_sha256,
        images.licence,
        images.spec_id,
        images.task,
        images.category,
        images.style,
        images.seconds,
        images.image
    from images
    join policies
        on array_contains(policies.generator_specs, images.spec_id)
    left join prompts
        on images.prompt_id = prompts.prompt_id
        and prompts.status = 'ok'
    left join enhanced_texts
        on images.variant = 'enhanced'
        and images.prompt_id = enhanced_texts.prompt_id
        and policies.enhancer = enhanced_texts.model
        and enhanced_texts.place = 1
    where
        images.status = 'ok'
        and (images.variant = 'original' or images.text = enhanced_texts.text)
),

photographs as (
    select
        policies.policy,
        photos.image_id,
        'photograph' as kind,
        cast(null as string) as prompt_id,
        cast(null as string) as variant,
        cast(null as string) as regime,
        cast(null as string) as generator,
        cast(null as int) as candidate,
        cast(null as string) as model,
        captions.short_caption as text,
        captions.long_caption,
        cast(null as array<struct<kind: string, subject: string, value: string, other: string>>) as atoms,
        photos.width,
        photos.height,
        photos.sha256,
        photos.source_sha256,
        photos.licence,
        cast(null as string) as spec_id,
        photos.task,
        photos.category,
        photos.style,
        cast(null as double) as seconds,
        photos.image
    from photos
    join captions
        on photos.image_id = captions.image_id
    join policies
        on captions.model = policies.captioner
    where photos.status = 'ok' and captions.status = 'ok'
),

both_kinds as (
    select * from generated
    union all
    select * from photographs
)

select * from both_kinds
