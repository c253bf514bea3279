import { useEffect, useRef } from 'preact/hooks';
import { farm, type LiveState, liveState } from './lib/live.ts';
import { mayAdmin, mayOperate, session, signOut } from './lib/session.ts';
import { setTheme, type Theme, theme } from './lib/theme.ts';
import { verdictOf } from './lib/verdict.ts';
import { Icon, type IconName } from './ui/icon.tsx';

const entries: readonly (readonly [name: string, text: string, icon: IconName])[] = [
  ['', 'Farm', 'farm'],
  ['studies', 'Studies', 'studies'],
  ['queue', 'Queue', 'queue'],
  ['backends', 'Backends', 'steer'],
  ['history', 'History', 'history'],
  ['journal', 'Journal', 'journal'],
  ['send', 'Send', 'send'],
  ['simulate', 'Simulate', 'simulate'],
  ['access', 'Access', 'access'],
];

const live: Readonly<Record<LiveState, string>> = {
  connecting: 'Connecting…',
  live: 'Live',
  reconnecting: 'Reconnecting…',
};

const nextTheme: Readonly<Record<Theme, Theme>> = { system: 'light', light: 'dark', dark: 'system' };
const themeIcon: Readonly<Record<Theme, IconName>> = { system: 'system', light: 'sun', dark: 'moon' };

export function Nav({ current }: { current: string }) {
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    // On a phone they stand in one line, and the one where one is may be beyond its end.
    list.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
  }, [current]);
  const quarantined = farm.value?.waiting.quarantined ?? 0;
  const tone = farm.value === null ? 'idle' : verdictOf(farm.value).tone;
  const seen = entries.filter(
    ([name]) => (name !== 'access' || mayAdmin.value) && (name !== 'send' || mayOperate.value),
  );
  return (
    <header class="side">
      <a class="brand" href="#/">
        <span class="mark" aria-hidden="true" />
        <span class="brand-name">dynamic-dicom-endpoints</span>
      </a>
      <nav aria-label="Screens">
        <ul ref={list}>
          {seen.map(([name, text, icon]) => (
            <li key={name}>
              <a href={`#/${name}`} aria-current={name === current ? 'page' : undefined}>
                <Icon name={icon} />
                <span>{text}</span>
                {name === '' && tone !== 'good' && tone !== 'idle' && (
                  <i class={`dot ${tone}`} aria-hidden="true" />
                )}
                {name === 'queue' && quarantined > 0 && (
                  <span class="pill" title={`${quarantined} in quarantine`}>
                    {quarantined}
                  </span>
                )}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <div class="side-foot">
        <p class={`live ${liveState.value}`} role="status">
          <i aria-hidden="true" />
          {live[liveState.value]}
        </p>
        <p class="who" title={`Role: ${session.value?.role ?? ''}`}>
          {session.value?.name}{' '}
          {session.value?.role !== session.value?.name && <span>{session.value?.role}</span>}
        </p>
        <button
          type="button"
          class="plain"
          title={`Colours: ${theme.value}`}
          onClick={() => setTheme(nextTheme[theme.value])}
        >
          <Icon name={themeIcon[theme.value]} />
          <span class="unseen">Colours: {theme.value}. Change</span>
        </button>
        <button type="button" class="plain" title="Sign out" onClick={() => void signOut()}>
          <Icon name="leave" />
          <span class="unseen">Sign out</span>
        </button>
      </div>
    </header>
  );
}
