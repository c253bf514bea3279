import type { ComponentChildren } from 'preact';
import type { ApiProblem } from '../lib/api.ts';
import { ago, exactTime, shortUid } from '../lib/format.ts';
import { now } from '../lib/live.ts';
import { to } from '../lib/route.ts';
import { Icon, type IconName } from './icon.tsx';

export type Tone = 'good' | 'warn' | 'bad' | 'idle' | 'busy';

const toneIcon: Readonly<Record<Tone, IconName>> = {
  good: 'good',
  warn: 'warn',
  bad: 'bad',
  idle: 'idle',
  busy: 'farm',
};

/** A state in a word, with colour and sign. */
export function Badge({
  tone,
  children,
  title,
}: {
  tone: Tone;
  children: ComponentChildren;
  title?: string;
}) {
  return (
    <span class={`badge ${tone}`} title={title}>
      <Icon name={toneIcon[tone]} size={14} />
      {children}
    </span>
  );
}

/** A time as one says it; the exact one in the title. */
export function Time({ at }: { at: string }) {
  return (
    <time dateTime={at} title={exactTime(at)}>
      {ago(at, now.value)}
    </time>
  );
}

export function Uid({ uid, link = true, short = true }: { uid: string; link?: boolean; short?: boolean }) {
  const text = short ? shortUid(uid) : uid;
  if (!link)
    return (
      <span class="uid" title={uid}>
        {text}
      </span>
    );
  return (
    <a class="uid" href={to(['studies', uid])} title={uid}>
      {text}
    </a>
  );
}

/** A link to another server, only ever to a web address. */
export function Outside({ href, children }: { href: string | null; children: ComponentChildren }) {
  if (href === null || !/^https?:\/\//.test(href)) return <span>{children}</span>;
  return (
    <a href={href} target="_blank" rel="noreferrer">
      {children} <Icon name="out" size={14} />
      <span class="unseen"> (opens in a new tab)</span>
    </a>
  );
}

/** @param title instead of the problem's own, where it would say too little or too much */
export function Trouble({
  problem,
  what,
  title = problem?.title ?? '',
}: {
  problem: ApiProblem | null;
  what?: string;
  title?: string;
}) {
  if (problem === null) return null;
  return (
    <div class="trouble" role="alert">
      <Icon name="bad" />
      <div>
        <strong>{what === undefined ? title : `${what}: ${title}`}</strong>
        {problem.message !== '' && <p>{problem.message}</p>}
      </div>
    </div>
  );
}

/** What stands where there is nothing yet: what that means, and what to do. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children !== undefined && <div>{children}</div>}
    </div>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <p class="loading" role="status">
      <span class="spinner" aria-hidden="true" /> Loading {what}…
    </p>
  );
}

export function Card(props: {
  title: string;
  note?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
  id?: string;
  class?: string;
}) {
  const id = props.id ?? `card-${props.title.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`;
  return (
    <section class={`card ${props.class ?? ''}`} aria-labelledby={id}>
      <header class="card-head">
        <h2 id={id}>{props.title}</h2>
        {props.note !== undefined && <p class="note">{props.note}</p>}
        {props.actions !== undefined && <div class="actions">{props.actions}</div>}
      </header>
      {props.children}
    </section>
  );
}

/** A table that scrolls by itself where the screen is narrow; the keyboard reaches it. */
export function Scroll({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    // A region that scrolls must be reachable by keyboard.
    <div class="scroll" tabIndex={0} role="group" aria-label={label}>
      {children}
    </div>
  );
}

export function Bar({ share, label, tone }: { share: number; label: string; tone?: Tone }) {
  const percent = Math.max(0, Math.min(100, share * 100));
  return (
    <div
      class={`bar ${tone ?? ''}`}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(percent)}
    >
      <i style={{ width: `${percent}%` }} />
    </div>
  );
}

/** Pairs of a word and its value. */
export function Facts({ items }: { items: readonly (readonly [name: string, value: ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {items.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
