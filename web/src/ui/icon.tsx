const paths = {
  farm: 'M3 12h5l4-6h9M8 12l4 6h9',
  studies: 'M4 6h16M4 12h16M4 18h10',
  queue: 'M12 7v5l3 2M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0',
  history: 'M4 19V5M4 19h16M7 15l4-5 3 3 5-7',
  steer: 'M4 7h10M18 7h2M4 17h2M10 17h10M14 4v6M8 14v6',
  send: 'M12 16V4M7 9l5-5 5 5M4 20h16',
  simulate: 'M9 3h6M10 3v6l-5 9a2 2 0 0 0 2 3h10a2 2 0 0 0 2-3l-5-9V3M8 15h8',
  journal: 'M5 4h14v16H5zM9 8h6M9 12h6M9 16h3',
  access: 'M8 11V8a4 4 0 0 1 8 0v3M6 11h12v9H6z',
  good: 'M5 12.5l4.5 4.5L19 7.5',
  warn: 'M12 4l9 16H3zM12 10v4M12 17v.2',
  bad: 'M12 7v6M12 16.5v.2M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0',
  idle: 'M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0M8 12h8',
  out: 'M14 5h5v5M19 5l-8 8M10 6H5v13h13v-5',
  sun: 'M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6l1.4 1.4M17 17l1.4 1.4M5.6 18.4L7 17M17 7l1.4-1.4M16 12a4 4 0 1 1-8 0 4 4 0 0 1 8 0',
  moon: 'M20 14.5A8 8 0 0 1 9.5 4a8 8 0 1 0 10.5 10.5',
  system: 'M4 5h16v11H4zM9 20h6M12 16v4',
  leave: 'M10 4H5v16h5M15 8l4 4-4 4M19 12H9',
  download: 'M12 4v11M7 11l5 5 5-5M4 20h16',
  file: 'M6 3h8l4 4v14H6zM14 3v4h4',
  more: 'M5 12h.1M12 12h.1M19 12h.1',
  close: 'M6 6l12 12M18 6L6 18',
} as const;

export type IconName = keyof typeof paths;

/** A line drawing beside a word that says the same; it is never the only thing that says it. */
export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
