/** Files of a drop or a picker, folders walked through. */

export interface FoundFile {
  readonly file: File;
  /** With the folders it was found in, from the one that was dropped or chosen on: images of a disc all have the same few names. */
  readonly path: string;
}

export function pickedFiles(files: Iterable<File>): FoundFile[] {
  return [...files].map((file) => ({
    file,
    path: file.webkitRelativePath === '' ? file.name : file.webkitRelativePath,
  }));
}

/** @returns what was dropped, with the files of dropped folders */
export async function droppedFiles(transfer: DataTransfer): Promise<FoundFile[]> {
  // Entries must be taken at once: the list is emptied when the handler of the event returns.
  const entries = [...transfer.items]
    .map((item) => item.webkitGetAsEntry())
    .filter((entry) => entry !== null);
  const files: FoundFile[] = [];
  for (const entry of entries) await walk(entry, files);
  return files;
}

async function walk(entry: FileSystemEntry, files: FoundFile[]): Promise<void> {
  if (isFile(entry)) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    files.push({ file, path: entry.fullPath.replace(/^\//, '') });
    return;
  }
  if (!isFolder(entry)) return;
  const reader = entry.createReader();
  for (;;) {
    // It gives a hundred at a time, and none at the end.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return;
    for (const one of some) await walk(one, files);
  }
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}

/**
 * StudyInstanceUID (0020,000D) of a DICOM file, read from its beginning; null where it is not found there. Searched by its tag and not
 * parsed: what the front makes of the file is the front's matter, this is only for showing where the study went.
 */
export async function studyOf(file: Blob): Promise<string | null> {
  const bytes = new Uint8Array(await file.slice(0, 256 * 1024).arrayBuffer());
  for (let at = 132; at + 12 < bytes.length; at += 2) {
    if (bytes[at] !== 0x20 || bytes[at + 1] !== 0 || bytes[at + 2] !== 0x0d || bytes[at + 3] !== 0) continue;
    const explicit = bytes[at + 4] === 0x55 && bytes[at + 5] === 0x49;
    const length = explicit
      ? (bytes[at + 6] ?? 0) + 256 * (bytes[at + 7] ?? 0)
      : (bytes[at + 4] ?? 0) + 256 * (bytes[at + 5] ?? 0);
    if (length === 0 || length > 64) continue;
    const text = String.fromCharCode(...bytes.subarray(at + 8, at + 8 + length)).replaceAll(/[\0 ]+$/g, '');
    if (/^[0-9.]+$/.test(text)) return text;
  }
  return null;
}
