/** What one backend is behind its proxy. */
export interface BackendSpeed {
  /** In each direction, both lanes together. */
  readonly bytesPerSecond: number;
  /** Each image waits so long before it is taken; those of two lanes at the same time. */
  readonly secondsPerImage: number;
}

export interface LiveScenario {
  readonly name: string;
  readonly what: string;
  readonly backends: readonly BackendSpeed[];
  /** Work that arrives a second, as a share of what all backends together can do; `batch`: everything at once. */
  readonly load: number | 'batch';
  /** Seconds after the first study. The proxy of the backend lets no image through meanwhile, with its connections open. */
  readonly stall?: { readonly backend: number; readonly at: number; readonly seconds: number };
}

const megabytes = (...speeds: readonly number[]): readonly BackendSpeed[] =>
  speeds.map((speed) => ({ bytesPerSecond: speed * 1e6, secondsPerImage: 0 }));

/**
 * Speeds that a machine of two cores can feed through proxies of JavaScript: slower than backends in life, and different by as much. No lane is
 * slower than what the model of a backend may learn.
 */
export const liveScenarios: readonly LiveScenario[] = [
  {
    name: 'differing',
    what: 'five backends, the fastest ten times as fast as the slowest',
    backends: megabytes(24, 12, 6, 4, 2.4),
    load: 0.55,
  },
  { name: 'equal', what: 'five equal backends', backends: megabytes(9, 9, 9, 9, 9), load: 0.6 },
  {
    name: 'unrelated',
    what: 'three slow for each image, two slow for each byte',
    backends: [
      { bytesPerSecond: 24e6, secondsPerImage: 0.25 },
      { bytesPerSecond: 24e6, secondsPerImage: 0.25 },
      { bytesPerSecond: 24e6, secondsPerImage: 0.25 },
      { bytesPerSecond: 4e6, secondsPerImage: 0 },
      { bytesPerSecond: 4e6, secondsPerImage: 0 },
    ],
    load: 0.9,
  },
  {
    name: 'stall',
    what: 'five equal backends; in the middle one takes no image for twelve seconds, its connections open',
    backends: megabytes(9, 9, 9, 9, 9),
    load: 0.5,
    stall: { backend: 0, at: 10, seconds: 12 },
  },
  {
    name: 'batch',
    what: 'everything at once, five backends of different speed',
    backends: megabytes(24, 12, 6, 4, 2.4),
    load: 'batch',
  },
];
