import type { Request, RequestHandler } from 'express';
import type { Orthanc } from '../../orthanc/orthanc.ts';
import type { AdminDeps } from '../deps.ts';
import { invalid, Problem } from '../problems.ts';
import { goneSignal, type Route } from '../route.ts';
import { instancesQuery, uploadAnswer } from '../schemas.ts';

/** Time limit when the caller does not say how long the file is. */
const unknownLengthBytes = 2_000_000_000;

/**
 * Takes one DICOM file and streams it to a front, as a modality would have sent it. The file is never held here as a whole:
 * when the front reads slowly, the caller is read slowly.
 */
export function instanceRoutes(
  deps: Pick<AdminDeps, 'fronts' | 'frontHealth' | 'topology'>,
): readonly Route[] {
  const { baseMs, bytesPerSecond } = deps.topology.routing.transferTimeout;

  const upload: RequestHandler = async (request, response) => {
    const query = instancesQuery.safeParse(request.query);
    if (!query.success) throw invalid('query', query.error);
    if (request.is(['application/dicom', 'application/octet-stream']) === false) {
      throw new Problem(
        415,
        'wrong-media-type',
        'A DICOM file is needed',
        'Send the file with "Content-Type: application/dicom".',
      );
    }
    const front = frontFor(deps, query.data.front);
    const bytes = lengthOf(request);
    if (bytes === 0) throw new Problem(422, 'refused', `${front.name} refuses it`, 'The file is empty.');
    const answer = await front.upload(request, {
      signal: goneSignal(request),
      timeoutMs: baseMs + ((bytes ?? unknownLengthBytes) / bytesPerSecond) * 1000,
    });
    response
      .set('Cache-Control', 'no-store')
      // A front's own script drops only an image that is the same as one it still holds, as it does for a modality that sends twice.
      .json({
        orthancId: answer.orthancId,
        status: answer.status === 'FilteredOut' ? 'AlreadyStored' : answer.status,
        front: front.name,
      });
  };

  return [
    {
      method: 'post',
      path: '/api/v1/instances',
      summary: 'Sends one DICOM file to a front',
      role: 'operate',
      params: null,
      query: instancesQuery,
      body: null,
      bodyType: 'application/dicom',
      bodyOptional: false,
      answer: uploadAnswer,
      answerType: null,
      problems: {
        415: 'The body is no DICOM file by its media type',
        422: 'The front refuses the file; `detail` has its own words',
        503: 'The front cannot take it now; try again',
      },
      handlers: [upload],
    },
  ];
}

/** Null: chunked, the length is not said. */
function lengthOf(request: Request): number | null {
  const header = request.headers['content-length'];
  if (header === undefined) {
    if (request.headers['transfer-encoding'] === undefined) return 0;
    return null;
  }
  return Number(header);
}

/** The named front, else the first that is not known to be down: all of them receive for the same farm. */
function frontFor(
  { fronts, frontHealth }: Pick<AdminDeps, 'fronts' | 'frontHealth'>,
  name: string | undefined,
): Orthanc {
  if (name !== undefined) {
    const front = fronts.get(name);
    if (front === undefined) {
      throw new Problem(
        404,
        'unknown-front',
        'There is no such front',
        `The topology has ${[...fronts.keys()].join(', ')}; not ${name}.`,
      );
    }
    return front;
  }
  const health = frontHealth?.();
  const all = [...fronts.values()];
  const front = all.find((one) => health?.get(one.name)?.health !== 'down') ?? all[0];
  if (front === undefined) throw new Problem(503, 'no-front', 'There is no front', 'The topology has none.');
  return front;
}
