import type { StudyAnswer } from '../../../src/admin/schemas.ts';
import { count, size } from '../lib/format.ts';
import { to } from '../lib/route.ts';
import { Badge, Outside, Scroll, Time, Uid } from '../ui/parts.tsx';
import { stateWord } from './words.ts';

export function StudyTable({ studies, label }: { studies: readonly StudyAnswer[]; label: string }) {
  return (
    <Scroll label={label}>
      <table class="folding">
        <thead>
          <tr>
            <th scope="col">Study</th>
            <th scope="col">From</th>
            <th scope="col">State</th>
            <th scope="col">Backend</th>
            <th scope="col" class="number">
              Proven
            </th>
            <th scope="col" class="number">
              Size
            </th>
            <th scope="col">Last news</th>
          </tr>
        </thead>
        <tbody>
          {studies.map((study) => (
            <StudyRow key={study.studyInstanceUID} study={study} />
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function StudyRow({ study }: { study: StudyAnswer }) {
  const [tone, word] = stateWord(study.state);
  const { received, verified } = study.instances;
  return (
    <tr>
      <td class="tight">
        <Uid uid={study.studyInstanceUID} />
      </td>
      <td>{[study.remoteAet, study.modality].filter(Boolean).join(' · ') || '–'}</td>
      <td>
        <Badge tone={tone}>{word}</Badge>
        {study.waiting !== null && (
          <p class="soft small-text reason" title={study.waiting}>
            {study.waiting}
          </p>
        )}
      </td>
      <td class="tight">
        {study.backend === null ? (
          <span class="soft">not yet</span>
        ) : (
          <span class="row">
            <a href={to(['backends', study.backend])}>{study.backend}</a>
            <span class="small-text">
              <Outside href={study.explorer}>Explorer</Outside>
            </span>
          </span>
        )}
      </td>
      <td class="number">
        {count(verified)} of {count(received)}
      </td>
      <td class="number">{size(study.bytes)}</td>
      <td class="tight">
        <Time at={study.lastNewsAt} />
      </td>
    </tr>
  );
}
