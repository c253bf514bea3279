import { contentOf, imagesOf } from './images.ts';
import type { FarmAnswer, FarmRequest, Holdings } from './light-farm.ts';
import { LightOrthanc } from './light-orthanc.ts';

const backends = new Map<string, LightOrthanc>();
const front = new LightOrthanc('front', backends);

async function act(request: FarmRequest): Promise<Holdings | null> {
  switch (request.kind) {
    case 'listen':
      await front.listen(request.frontPort);
      for (const { name, port } of request.backends) {
        const backend = new LightOrthanc(name);
        backends.set(name, backend);
        await backend.listen(port);
      }
      return null;
    case 'begin':
      for (const orthanc of [front, ...backends.values()]) {
        orthanc.clear();
        orthanc.notUnderstood.length = 0;
      }
      for (const backend of backends.values()) backend.down = request.down;
      for (const study of request.studies)
        for (const image of imagesOf(study)) front.store(study, image, contentOf(image));
      return null;
    case 'up':
      for (const backend of backends.values()) backend.down = false;
      return null;
    case 'pace':
      front.sendAt(request.imagesPerSecond ?? Number.POSITIVE_INFINITY);
      return null;
    case 'receive':
      front.store(request.study, request.image, contentOf(request.image));
      return null;
    case 'holdings':
      return {
        front: [...front.images.values()].map(({ image }) => image),
        backends: [...backends.values()].map(({ name, images }) => ({
          name,
          images: [...images.values()].map(({ image, md5 }) => [image, md5] as const),
        })),
        notUnderstood: [front, ...backends.values()].flatMap((one) => one.notUnderstood),
      };
  }
}

process.on('message', ({ id, request }: { id: number; request: FarmRequest }) => {
  act(request).then(
    (holdings) => say({ id, holdings, failure: null }),
    (error: unknown) => say({ id, holdings: null, failure: String(error) }),
  );
});
// Whoever started it is gone.
process.on('disconnect', () => process.exit(0));

function say(answer: FarmAnswer): void {
  process.send?.(answer);
}
