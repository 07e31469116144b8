import { readFileSync } from 'node:fs'

/** A user by its numbers. */
export interface User {
  readonly uid: number
  readonly gid: number
}

/** As whom servers run that refuse root: `postgres` or `nobody`. Undefined when this process is not root's. */
export function unprivileged(): User | undefined {
  if (process.getuid?.() !== 0) return undefined
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = users.find((fields) => fields[0] === name) ?? []
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new Error('a server does not run as root, and there is neither a user postgres nor nobody')
}
