import type { ComponentType } from 'preact';
import { lazy, Suspense } from 'preact/compat';
import { useEffect, useRef } from 'preact/hooks';
import { FarmScreen } from './farm/screen.tsx';
import { farm } from './lib/live.ts';
import { place } from './lib/route.ts';
import { mayAdmin, session } from './lib/session.ts';
import { waitingLine } from './lib/verdict.ts';
import { Login } from './login.tsx';
import { Nav } from './nav.tsx';
import { Boundary } from './ui/boundary.tsx';
import { Empty, Loading } from './ui/parts.tsx';

type Screen = ComponentType<{ parts: readonly string[] }>;

// What opens first is in the first file; everything else comes when it is asked for.
const screens: Readonly<Record<string, { title: string; show: Screen; admin?: boolean }>> = {
  '': { title: 'Farm', show: FarmScreen },
  studies: { title: 'Studies', show: lazy(async () => (await import('./studies/screen.tsx')).StudiesScreen) },
  queue: { title: 'Queue', show: lazy(async () => (await import('./queue/screen.tsx')).QueueScreen) },
  history: { title: 'History', show: lazy(async () => (await import('./history/screen.tsx')).HistoryScreen) },
  backends: { title: 'Backends', show: lazy(async () => (await import('./steer/screen.tsx')).SteerScreen) },
  journal: { title: 'Journal', show: lazy(async () => (await import('./journal/screen.tsx')).JournalScreen) },
  send: { title: 'Send', show: lazy(async () => (await import('./send/screen.tsx')).SendScreen) },
  simulate: {
    title: 'Simulate',
    show: lazy(async () => (await import('./simulate/screen.tsx')).SimulateScreen),
  },
  access: {
    title: 'Access',
    show: lazy(async () => (await import('./access/screen.tsx')).AccessScreen),
    admin: true,
  },
};

export function App() {
  const who = session.value;
  if (who === undefined)
    return (
      <main class="alone">
        <Loading what="the dashboard" />
      </main>
    );
  if (who === null) return <Login />;
  return <Shell />;
}

/** For those who do not see the sign in the list of screens. In a component of its own: it changes with each look at the farm. */
function Waiting() {
  return farm.value === null ? null : <p class="unseen">{waitingLine(farm.value)}</p>;
}

function Shell() {
  const { parts } = place.value;
  const [name = '', ...rest] = parts;
  const screen = screens[name];
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const where = parts.join('/');
  const title = [...rest, screen?.title ?? 'Nothing here'].join(' · ');
  useEffect(() => {
    document.title = `${title} · dynamic-dicom-endpoints`;
    // A screen reader is told where one is now, and the keyboard goes on from there.
    if (!first.current) main.current?.focus({ preventScroll: true });
    if (!first.current) window.scrollTo(0, 0);
    first.current = false;
  }, [where]);
  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        Skip to content
      </a>
      <Nav current={name} />
      <main id="main" ref={main} tabIndex={-1}>
        {name !== '' && <Waiting />}
        {screen === undefined ? (
          <Empty title="There is nothing here">
            <a href="#/">Go to the farm</a>
          </Empty>
        ) : screen.admin === true && !mayAdmin.value ? (
          <Empty title={`${screen.title} is for administrators`}>
            <p>Your token may not change accounts. Ask whoever gave it to you.</p>
          </Empty>
        ) : (
          <Boundary key={where}>
            <Suspense fallback={<Loading what={screen.title.toLowerCase()} />}>
              <screen.show parts={rest} />
            </Suspense>
          </Boundary>
        )}
      </main>
    </div>
  );
}
