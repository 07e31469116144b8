// Checks that the code in the documents is code that is compiled and run: `node scripts/check-docs.ts`.
// A block is preceded by a comment that names a file, and a region of it:
//
//   <!-- examples/seed/src/task-builder.ts#build -->
//
// and equals what stands there between `// #region build` and `// #endregion`, or the whole file
// where no region is named. With `--write` the blocks are brought up to date.
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { join, sep } from 'node:path'

const documents = ['*.md', 'docs/**/*.md', 'bench/*.md', '{packages,examples}/*/*.md']
const codeLanguages = /^(?:[cm]?[jt]sx?|javascript|typescript)$/
const reference = /^\s*<!--\s*([\w@./-]+\.\w+)(?:#([\w-]+))?\s*-->\s*$/
const opening = /^(\s*)(`{3,}|~{3,})\s*(\w*)/
const regionStart = /^\s*\/\/ #region\s+([\w-]+)\s*$/
const regionEnd = /^\s*\/\/ #endregion\b/

interface Block {
  /** The line of the opening fence, from 0. */
  readonly line: number
  readonly language: string
  readonly indent: string
  readonly body: readonly string[]
  readonly source: { readonly path: string; readonly region: string | undefined } | undefined
}

/** Every block under `root` that is not what it says it is, as one line each; `write` mends them. */
export function checkDocs(root: string, { write = false }: { write?: boolean } = {}): string[] {
  return globSync(documents, { cwd: root, exclude: (path) => path.endsWith('node_modules') })
    .map((file) => file.split(sep).join('/'))
    .toSorted()
    .flatMap((file) => checkDocument(root, file, write))
}

function checkDocument(root: string, file: string, write: boolean): string[] {
  const lines = readFileSync(join(root, file), 'utf8').split('\n')
  const problems: string[] = []
  const mended = [...lines]
  // From the last to the first, so that a block of another length moves no other.
  for (const block of readBlocks(lines).toReversed()) {
    const at = `${file}:${block.line + 1}`
    if (block.source === undefined) {
      if (codeLanguages.test(block.language)) {
        problems.unshift(`${at} names no source: put <!-- path#region --> before the block`)
      }
      continue
    }
    const found = readSource(root, block.source)
    if ('problem' in found) {
      problems.unshift(`${at} ${found.problem}`)
      continue
    }
    const expected = found.body.map((line) => (line === '' ? '' : block.indent + line))
    if (expected.join('\n') === block.body.join('\n')) continue
    if (write) mended.splice(block.line + 1, block.body.length, ...expected)
    else problems.unshift(`${at} differs from ${nameOf(block.source)}: \`npm run docs\` mends it`)
  }
  if (write && mended.join('\n') !== lines.join('\n')) {
    writeFileSync(join(root, file), mended.join('\n'))
  }
  return problems
}

function readBlocks(lines: readonly string[]): Block[] {
  const blocks: Block[] = []
  let source: Block['source']
  for (let line = 0; line < lines.length; line += 1) {
    const text = lines[line] ?? ''
    const fence = opening.exec(text)
    if (fence === null) {
      const named = reference.exec(text)
      if (named?.[1] !== undefined) source = { path: named[1], region: named[2] }
      else if (text.trim() !== '') source = undefined
      continue
    }
    const [, indent = '', ticks = '', language = ''] = fence
    const isEnd = (other: string): boolean =>
      other.trim().startsWith(ticks) && other.trim().replaceAll(ticks.charAt(0), '') === ''
    const length = lines.slice(line + 1).findIndex(isEnd)
    const end = length === -1 ? lines.length : line + 1 + length
    blocks.push({ line, language, indent, body: lines.slice(line + 1, end), source })
    source = undefined
    line = end
  }
  return blocks
}

function readSource(
  root: string,
  source: NonNullable<Block['source']>,
): { body: string[] } | { problem: string } {
  const path = join(root, source.path)
  if (!existsSync(path)) return { problem: `names ${source.path}, which does not exist` }
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  const body = source.region === undefined ? lines : readRegion(lines, source.region)
  if (body === undefined) {
    return { problem: `names ${nameOf(source)}: the file has no such region, or more than one` }
  }
  return { body: dedent(body.filter((line) => !regionStart.test(line) && !regionEnd.test(line))) }
}

/** The lines of a region, those of the regions inside it included. */
function readRegion(lines: readonly string[], region: string): string[] | undefined {
  const starts = lines.flatMap((line, at) => (regionStart.exec(line)?.[1] === region ? [at] : []))
  const start = starts[0]
  if (start === undefined || starts.length > 1) return undefined
  let depth = 1
  for (let at = start + 1; at < lines.length; at += 1) {
    const line = lines[at] ?? ''
    if (regionStart.test(line)) depth += 1
    if (regionEnd.test(line)) depth -= 1
    if (depth === 0) return lines.slice(start + 1, at)
  }
  return undefined
}

function dedent(lines: readonly string[]): string[] {
  const indents = lines.filter((line) => line.trim() !== '').map((line) => line.search(/\S/))
  const indent = Math.min(...indents)
  return lines.map((line) => line.slice(indent).trimEnd())
}

function nameOf({ path, region }: NonNullable<Block['source']>): string {
  return region === undefined ? path : `${path}#${region}`
}

if (import.meta.main) {
  const problems = checkDocs(join(import.meta.dirname, '..'), {
    write: process.argv.includes('--write'),
  })
  for (const problem of problems) console.error(problem)
  if (problems.length > 0) process.exitCode = 1
}
