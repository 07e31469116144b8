import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'

/** A mistake in how the program was called; its message says which. */
export class UsageError extends Error {}

export const usage: string = `Usage: npm start -- [options] [FOLDER]

Writes manifest.json: of every regular file below FOLDER (default: node_modules) its path, size,
SHA-256 and size when compressed by gzip. Symbolic links are not followed.

Options:
  -o, --output FILE     where to write the manifest (default: manifest.json)
  -w, --workers N       how many workers, 1 to 64 (default: 4)
  -f, --files N         how many files each of them reads at once, 1 to 64 (default: 4)
  -l, --log FILE        add a line of JSON to FILE for each start and each end of a file
  -h, --help            this text

Ctrl-C lets the files being read finish, says what is left and writes no manifest; a second one
does not wait for them. The same command goes on where it was stopped, also when it was killed or
the machine went down: until the manifest is there, what is done and what is not lies in a database
beside it, manifest.json.(8 digits of the folder's own).queue. Files that have changed are hashed
again, files that were given up are tried again. To begin anew, remove the database with what lies
beside it, manifest.json.*.queue*. Two runs for the same folder and manifest at once are refused.

Exit codes: 0 the manifest is whole, 1 something is missing from it or went wrong, 130 Ctrl-C.
`

/** What the program is asked for. */
export interface Options {
  readonly folder: string
  readonly output: string
  readonly workers: number
  readonly filesAtOnce: number
  /** Where to write down what happens. */
  readonly log: string | undefined
}

/** What `args` say; undefined: the usage is asked for. Throws a {@link UsageError}. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values, positionals } = parse(args)
  if (values.help === true) return undefined
  const [folder = 'node_modules', extra] = positionals
  if (extra !== undefined) throw new UsageError(`one folder at a time: what is '${extra}'?`)
  if (folder === '') throw new UsageError('the name of the folder is empty')
  if (values.output === '') throw new UsageError('the name of the output file is empty')
  if (values.log === '') throw new UsageError('the name of the log file is empty')
  return {
    folder: resolve(folder),
    output: resolve(values.output),
    workers: wholeNumber('--workers', values.workers),
    filesAtOnce: wholeNumber('--files', values.files),
    log: values.log === undefined ? undefined : resolve(values.log),
  }
}

/** Throws a {@link UsageError} when `folder` is no folder, or `output` or `log` cannot be a file. */
export async function checkPaths({ folder, output, log }: Options): Promise<void> {
  const kind = await kindOf(folder)
  if (kind === undefined) throw new UsageError(`there is no folder '${folder}'`)
  if (kind !== 'folder') throw new UsageError(`'${folder}' is not a folder`)
  for (const file of log === undefined ? [output] : [output, log]) await checkFile(file)
}

async function checkFile(file: string): Promise<void> {
  if ((await kindOf(dirname(file))) !== 'folder') {
    throw new UsageError(`cannot write '${file}': there is no folder '${dirname(file)}'`)
  }
  if ((await kindOf(file)) === 'folder') {
    throw new UsageError(`cannot write '${file}': it is a folder`)
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        output: { type: 'string', short: 'o', default: 'manifest.json' },
        workers: { type: 'string', short: 'w', default: '4' },
        files: { type: 'string', short: 'f', default: '4' },
        log: { type: 'string', short: 'l' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

function wholeNumber(option: string, text: string): number {
  const value = /^\d{1,2}$/.test(text) ? Number(text) : 0
  if (value < 1 || value > 64) {
    throw new UsageError(`${option} must be a whole number from 1 to 64, not '${text}'`)
  }
  return value
}

async function kindOf(path: string): Promise<'folder' | 'other' | undefined> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'other'
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new UsageError(`cannot look at '${path}': ${(error as Error).message}`, { cause: error })
  }
}
