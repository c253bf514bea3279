import { createHash, randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import dcmjs from 'dcmjs';

export type Modality = 'CT' | 'MR' | 'CR' | 'US';

export interface StudyOptions {
  /** Instances in the study, dealt out evenly over its series; default 1. */
  readonly instances?: number;
  /** Default 1. */
  readonly series?: number;
  /** Default CT. */
  readonly modality?: Modality;
  /** Same seed and options, same bytes and UIDs; without a seed everything is new. */
  readonly seed?: string | number;
  /** Pixels; default 16 × 16. */
  readonly rows?: number;
  readonly columns?: number;
  /** More than 1 makes an Ultrasound Multi-frame instance; US only. */
  readonly frames?: number;
  /** Instead of `rows` and `columns`: about so many bytes of pixel data an instance. */
  readonly bytes?: number;
  readonly patientId?: string;
  readonly patientName?: string;
  readonly station?: string;
  readonly studyUid?: string;
  readonly studyDescription?: string;
  /** Default: none. */
  readonly accession?: string;
}

export interface SyntheticInstance {
  /** The identifier every Orthanc gives it. */
  readonly orthancId: string;
  readonly patientId: string;
  readonly studyUid: string;
  readonly seriesUid: string;
  readonly sopUid: string;
  readonly modality: Modality;
  readonly station: string;
  /** The DICOM file, explicit VR little endian. */
  readonly file: Buffer;
  /** Of the file as it is, and so of an instance uploaded by REST; after C-STORE an Orthanc has written its own file header. */
  readonly md5: string;
}

export interface SyntheticStudy {
  readonly studyUid: string;
  readonly patientId: string;
  readonly modality: Modality;
  readonly station: string;
  readonly bytes: number;
  readonly instances: readonly SyntheticInstance[];
}

const EXPLICIT_VR_LITTLE_ENDIAN = '1.2.840.10008.1.2.1';
const IMPLEMENTATION_UID = '2.25.188418470498134213745902812630427061733';

const sopClasses: Record<Modality, string> = {
  CT: '1.2.840.10008.5.1.4.1.1.2',
  MR: '1.2.840.10008.5.1.4.1.1.4',
  CR: '1.2.840.10008.5.1.4.1.1.1',
  US: '1.2.840.10008.5.1.4.1.1.6.1',
};
const US_MULTI_FRAME = '1.2.840.10008.5.1.4.1.1.3.1';

/**
 * A study of valid DICOM files. dcmjs encodes one instance of each series; the others are copies with UIDs of the same
 * length, number and pixels put in their place, so thousands take a second.
 */
export function makeStudy(options: StudyOptions = {}): SyntheticStudy {
  const { instances: count = 1, series: seriesCount = 1, modality = 'CT' } = options;
  const seed = String(options.seed ?? randomUUID());
  const studyUid = options.studyUid ?? uidOf(`${seed}/study`);
  const patientId = options.patientId ?? `P${digits(`${seed}/patient`, 8)}`;
  const station = options.station ?? `${modality}-STATION`;
  const instances: SyntheticInstance[] = [];
  for (let series = 0; series < Math.min(seriesCount, count); series++) {
    const seriesUid = uidOf(`${seed}/${studyUid}/${series}`);
    const template = makeTemplate({
      ...options,
      modality,
      studyUid,
      patientId,
      station,
      seriesUid,
      seriesNumber: series + 1,
    });
    for (let number = series; number < count; number += seriesCount) {
      const sopUid = uidOf(`${seed}/${seriesUid}/${number}`);
      const file = fromTemplate(template, sopUid, number + 1);
      const orthancId = orthancIdOf(patientId, studyUid, seriesUid, sopUid);
      const md5 = createHash('md5').update(file).digest('hex');
      instances.push({ orthancId, patientId, studyUid, seriesUid, sopUid, modality, station, file, md5 });
    }
  }
  const bytes = instances.reduce((sum, instance) => sum + instance.file.length, 0);
  return { studyUid, patientId, modality, station, bytes, instances };
}

/** The only instance of a study of its own. */
export function makeInstance(options: Omit<StudyOptions, 'instances' | 'series'> = {}): SyntheticInstance {
  const [instance] = makeStudy(options).instances;
  if (instance === undefined) throw new Error('a study of one instance has one');
  return instance;
}

/** The same identifiers with other pixels: what a repaired or falsified resend looks like. */
export function withOtherContent(instance: SyntheticInstance): SyntheticInstance {
  const file = Buffer.from(instance.file);
  file.writeUInt8(file.readUInt8(file.length - 1) ^ 0xff, file.length - 1);
  return { ...instance, file, md5: createHash('md5').update(file).digest('hex') };
}

/** Writes one file an instance into the folder (made if need be) and returns the paths, in the order of the instances. */
export async function writeInstances(
  instances: readonly SyntheticInstance[],
  folder: string,
): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const paths: string[] = [];
  for (const instance of instances) {
    const path = join(folder, `${instance.sopUid}.dcm`);
    await writeFile(path, instance.file);
    paths.push(path);
  }
  return paths;
}

/** The identifier Orthanc forms: SHA-1 of the four identifiers, as 5 × 8 hex digits. */
export function orthancIdOf(patientId: string, studyUid: string, seriesUid: string, sopUid: string): string {
  const sha = createHash('sha1').update([patientId, studyUid, seriesUid, sopUid].join('|')).digest('hex');
  return sha.replaceAll(/(.{8})(?!$)/g, '$1-');
}

/** A UID of 43 characters under the root for UUIDs: always the same length, so that it can be patched into a file. */
export function uidOf(seed: string): string {
  return `2.25.${digits(`uid/${seed}`, 38)}`;
}

/** So many decimal digits (at most 70) drawn from the seed, the first of them not 0. */
function digits(seed: string, count: number): string {
  const number = BigInt(`0x${createHash('sha256').update(seed).digest('hex')}`).toString();
  return `1${number.padStart(77, '0').slice(-(count - 1))}`;
}

interface Template {
  readonly file: Buffer;
  readonly sopUidAt: readonly number[];
  readonly numberAt: number;
  readonly pixelsAt: number;
}

const PLACEHOLDER_UID = `2.25.${'9'.repeat(38)}`;
const PLACEHOLDER_NUMBER = '987654';
/** Tag and VR, before the length. The placeholder itself may also stand in a UID, once in some ten thousand. */
const INSTANCE_NUMBER = Buffer.from('\x20\x00\x13\x00IS', 'latin1');

function makeTemplate(
  options: StudyOptions & {
    modality: Modality;
    studyUid: string;
    seriesUid: string;
    patientId: string;
    station: string;
    seriesNumber: number;
  },
): Template {
  const { modality, frames = 1 } = options;
  const bytesPerPixel = modality === 'US' ? 1 : 2;
  const side = Math.max(1, Math.round(Math.sqrt((options.bytes ?? 0) / bytesPerPixel / frames)));
  const rows = options.bytes === undefined ? (options.rows ?? 16) : side;
  const columns = options.bytes === undefined ? (options.columns ?? 16) : side;
  const pixels = rows * columns * frames * bytesPerPixel;
  const sopClass = frames > 1 ? US_MULTI_FRAME : sopClasses[modality];
  const { DicomDict, DicomMetaDictionary } = dcmjs.data;
  const file = new DicomDict(
    DicomMetaDictionary.denaturalizeDataset({
      FileMetaInformationVersion: new Uint8Array([0, 1]).buffer,
      MediaStorageSOPClassUID: sopClass,
      MediaStorageSOPInstanceUID: PLACEHOLDER_UID,
      TransferSyntaxUID: EXPLICIT_VR_LITTLE_ENDIAN,
      ImplementationClassUID: IMPLEMENTATION_UID,
      ImplementationVersionName: 'DDE_SYNTHETIC',
    }),
  );
  file.dict = DicomMetaDictionary.denaturalizeDataset({
    _vrMap: { PixelData: bytesPerPixel === 2 ? 'OW' : 'OB' },
    SpecificCharacterSet: 'ISO_IR 192',
    ImageType: ['ORIGINAL', 'PRIMARY', ...(modality === 'CT' ? ['AXIAL'] : [])],
    SOPClassUID: sopClass,
    SOPInstanceUID: PLACEHOLDER_UID,
    StudyDate: '20260102',
    SeriesDate: '20260102',
    StudyTime: '101500',
    SeriesTime: '101500',
    AccessionNumber: options.accession ?? '',
    Modality: modality,
    Manufacturer: 'Synthetic',
    ReferringPhysicianName: '',
    StationName: options.station,
    StudyDescription: options.studyDescription ?? 'SYNTHETIC',
    PatientName: options.patientName ?? 'Synthetic^Patient',
    PatientID: options.patientId,
    PatientBirthDate: '',
    PatientSex: 'O',
    StudyInstanceUID: options.studyUid,
    SeriesInstanceUID: options.seriesUid,
    StudyID: '1',
    SeriesNumber: String(options.seriesNumber),
    InstanceNumber: PLACEHOLDER_NUMBER,
    ...geometryOf(modality, options.studyUid),
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    ...(frames > 1 ? { NumberOfFrames: String(frames), FrameTime: '40' } : {}),
    Rows: rows,
    Columns: columns,
    BitsAllocated: 8 * bytesPerPixel,
    BitsStored: bytesPerPixel === 2 ? 12 : 8,
    HighBit: bytesPerPixel === 2 ? 11 : 7,
    PixelRepresentation: 0,
    PixelData: [new ArrayBuffer(pixels + (pixels % 2))],
  });
  const encoded = Buffer.from(file.write());
  return {
    file: encoded,
    sopUidAt: occurrences(encoded, PLACEHOLDER_UID),
    numberAt: encoded.indexOf(INSTANCE_NUMBER) + INSTANCE_NUMBER.length + 2,
    pixelsAt: encoded.length - pixels - (pixels % 2),
  };
}

function geometryOf(modality: Modality, studyUid: string): Record<string, unknown> {
  if (modality === 'CR') return { BodyPartExamined: 'CHEST', ViewPosition: 'PA' };
  if (modality === 'US') return {};
  return {
    FrameOfReferenceUID: uidOf(`${studyUid}/frame`),
    PositionReferenceIndicator: '',
    ImagePositionPatient: ['0', '0', '0'],
    ImageOrientationPatient: ['1', '0', '0', '0', '1', '0'],
    PixelSpacing: ['1', '1'],
    SliceThickness: '1',
    ...(modality === 'CT' ? { RescaleIntercept: '0', RescaleSlope: '1', KVP: '120' } : {}),
  };
}

/** A copy with this UID and number. Its first pixels are drawn from the UID, so that no two files have the same content. */
function fromTemplate(template: Template, sopUid: string, number: number): Buffer {
  const file = Buffer.from(template.file);
  for (const at of template.sopUidAt) file.write(sopUid, at, 'latin1');
  file.write(String(number).padStart(PLACEHOLDER_NUMBER.length), template.numberAt, 'latin1');
  const noise = createHash('sha256').update(sopUid).digest();
  // 12 of 16 bits are stored: the upper byte of each pixel keeps its upper half clear.
  for (let at = 0; at < Math.min(noise.length, file.length - template.pixelsAt); at++) {
    const byte = noise.readUInt8(at);
    file.writeUInt8(at % 2 === 0 ? byte : byte & 0x0f, template.pixelsAt + at);
  }
  return file;
}

function occurrences(file: Buffer, text: string): number[] {
  const found: number[] = [];
  for (let at = file.indexOf(text, 0, 'latin1'); at >= 0; at = file.indexOf(text, at + text.length, 'latin1'))
    found.push(at);
  return found;
}
