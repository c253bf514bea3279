import { useRef, useState } from 'preact/hooks';
import type { StudyAnswer } from '../../../src/admin/schemas.ts';
import { ApiProblem, get } from '../lib/api.ts';
import type { Page } from '../lib/contract.ts';
import { count, counted, size } from '../lib/format.ts';
import { useLoad } from '../lib/load.ts';
import { mayOperate } from '../lib/session.ts';
import { StudyTable } from '../studies/table.tsx';
import { Icon } from '../ui/icon.tsx';
import { Bar, Card, Empty, Scroll, Trouble } from '../ui/parts.tsx';
import { droppedFiles, pickedFiles } from './files.ts';
import { addFiles, sending, stopSending } from './sending.ts';

/** Files sent from here through a front, and where they went. */
export function SendScreen() {
  if (!mayOperate.value)
    return (
      <Empty title="Sending needs another role">
        <p>Your token may look only. One with the role “operate” may send.</p>
      </Empty>
    );
  const { files, studies, refused } = sending.value;
  return (
    <>
      <div class="head">
        <div>
          <h1>Send</h1>
          <p class="note">
            Files go to a front, as a modality would send them; what becomes of them is the usual way.
          </p>
        </div>
      </div>
      <Drop />
      {files > 0 && <Progress />}
      {refused.length > 0 && <Refusals />}
      {studies.size > 0 && <Went uids={[...studies.keys()]} />}
    </>
  );
}

function Drop() {
  const [over, setOver] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const someFiles = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    if (event.dataTransfer === null) return;
    droppedFiles(event.dataTransfer).then(addFiles, (error: unknown) =>
      setProblem(new ApiProblem(0, 'unreadable', 'A file could not be read', String(error))),
    );
  };
  const picked = (input: HTMLInputElement): void => {
    addFiles(pickedFiles(input.files ?? []));
    input.value = '';
  };
  return (
    <section
      class={`drop ${over ? 'over' : ''}`}
      aria-label="Files to send"
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <Icon name="send" size={34} />
      <p class="drop-title">Drop DICOM files or a folder here</p>
      <div class="row">
        <button type="button" class="primary" onClick={() => someFiles.current?.click()}>
          Choose files
        </button>
        <button type="button" onClick={() => folder.current?.click()}>
          Choose a folder
        </button>
      </div>
      <input
        ref={someFiles}
        type="file"
        multiple
        hidden
        aria-label="Files"
        onChange={(event) => picked(event.currentTarget)}
      />
      <input
        ref={folder}
        type="file"
        multiple
        hidden
        aria-label="Folder"
        {...wholeFolder}
        onChange={(event) => picked(event.currentTarget)}
      />
      <Trouble problem={problem} />
    </section>
  );
}

/** An attribute every browser has and no standard. */
const wholeFolder: Record<string, boolean> = { webkitdirectory: true };

function Progress() {
  const { running, files, bytes, sentFiles, sentBytes, already, refused } = sending.value;
  return (
    <section class="card stack" aria-label="Progress">
      <div class="row spread">
        <h2 aria-live="polite">
          {running
            ? `Sending: ${count(sentFiles)} of ${counted(files, 'file')}`
            : `Done: ${counted(sentFiles, 'file')} sent${refused.length === 0 ? '' : `, ${count(refused.length)} not`}`}
        </h2>
        {running && (
          <button type="button" class="small" onClick={stopSending}>
            Stop
          </button>
        )}
      </div>
      <Bar share={(sentFiles + refused.length) / files} label="Files sent" />
      <p class="soft small-text">
        {size(sentBytes)} of {size(bytes)}
        {already > 0 && ` · ${counted(already, 'file')} the front had already`}
      </p>
    </section>
  );
}

function Refusals() {
  const { refused } = sending.value;
  return (
    <Card title="What was not sent, and why">
      <Scroll label="Files that were not sent">
        <table class="dense">
          <thead>
            <tr>
              <th scope="col">File</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {refused.slice(0, 200).map((one, index) => (
              <tr key={`${one.name} ${index}`}>
                <td class="uid">{one.name}</td>
                <td>{one.why}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {refused.length > 200 && <p class="note">and {count(refused.length - 200)} more</p>}
    </Card>
  );
}

/** So many are followed; of a whole archive the list of studies says the rest. */
const most = 30;

function Went({ uids }: { uids: readonly string[] }) {
  const followed = uids.slice(-most);
  const { value, problem } = useLoad(
    async (signal) => {
      // By the list: the front may not have announced one yet, which is nothing wrong.
      const pages = await Promise.all(
        followed.map((uid) => get<Page<StudyAnswer>>('/studies', { uid, limit: 1 }, signal)),
      );
      return pages.flatMap((page) => page.items).filter((study) => followed.includes(study.studyInstanceUID));
    },
    followed.join(' '),
    1_000,
  );
  return (
    <Card title="Where they went" actions={<a href="#/studies">All studies</a>}>
      <Trouble problem={problem} />
      {value !== null && value.length > 0 && <StudyTable studies={value} label="Where they went" />}
      {value?.length === 0 && <p class="note">The front has not announced them yet…</p>}
      {uids.length > most && (
        <p class="note">
          The last {most} of {count(uids.length)} studies.
        </p>
      )}
    </Card>
  );
}
