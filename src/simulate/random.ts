import { hash } from 'node:crypto';

/** Draws that are the same for the same seed, on every machine. */
export interface Random {
  /** In [0, 1). */
  uniform(): number;
  /** Mean 0, standard deviation 1. */
  normal(): number;
  exponential(mean: number): number;
  logNormal(shape: LogNormal): number;
}

/** A lognormal distribution by two figures that people know of their own data. */
export interface LogNormal {
  readonly median: number;
  /** One of a hundred is larger. */
  readonly p99: number;
}

/** The standard normal's 99th percentile. */
const z99 = 2.3263;

/** Standard deviation of the logarithm. */
export function sigmaOf({ median, p99 }: LogNormal): number {
  return p99 > median ? Math.log(p99 / median) / z99 : 0;
}

export function meanOf(shape: LogNormal): number {
  return shape.median * Math.exp(sigmaOf(shape) ** 2 / 2);
}

/**
 * One stream of draws for each purpose, so that what one part of the model draws does not change what another one does: all
 * policies meet the same studies, hiccups and other users.
 */
export function randomOf(seed: number, purpose: string): Random {
  const digest = hash('sha256', `${seed}\0${purpose}`, 'hex');
  const word = (at: number): number => Number.parseInt(digest.slice(at * 8, at * 8 + 8), 16) | 0;
  let a = word(0);
  let b = word(1);
  let c = word(2);
  let d = word(3) | 1;
  let spare: number | null = null;

  // sfc32 by Chris Doty-Humphrey (PractRand): passes the usual tests, and needs nothing but 32-bit additions and shifts.
  function uniform(): number {
    const sum = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  }

  function normal(): number {
    if (spare !== null) {
      const kept = spare;
      spare = null;
      return kept;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  return {
    uniform,
    normal,
    exponential: (mean) => -mean * Math.log(1 - uniform()),
    logNormal: (shape) => shape.median * Math.exp(sigmaOf(shape) * normal()),
  };
}
