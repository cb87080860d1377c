import type { SourceFacts } from '../build-facts.ts'
import type { Provenance } from '../provenance.ts'
import type { ResourceDescriptor } from '../statement.ts'

// The version control schemes of SPDX download locations, which SLSA recommends.
const versionControl = /^(?:git|hg|svn|bzr)(?:\+[a-z]+)?:\/\//

/**
 * The source of a build: the one dependency that version control can fetch. Where there are several, the one that the parameter
 * `source` names; where that does not decide, there is none, and rules that ask for a source do not hold.
 */
export function sourceOf({ resolvedDependencies, externalParameters }: Provenance): SourceFacts | undefined {
  const candidates = resolvedDependencies.filter(
    ({ uri, digest }) => uri !== undefined && digest !== undefined && versionControl.test(uri),
  )
  const named = externalParameters['source']
  const chosen = typeof named === 'string' ? candidates.filter(({ uri }) => uri === named) : candidates
  const [source, second] = chosen
  return source === undefined || second !== undefined ? undefined : factsOf(source)
}

function factsOf({ uri = '', digest = new Map<string, string>() }: ResourceDescriptor): SourceFacts {
  const { repository, ref } = splitRevision(uri)
  return { uri: repository, ...(ref !== undefined && { ref }), digest }
}

/**
 * `<repository>[@<revision>][#<path>]`, as SPDX writes download locations. A revision `refs/…` may hold `@` (tags of packages do);
 * any other is the last part after `@`, and has no slash. What stands before the path (`git@host`) is no revision.
 */
export function splitRevision(uri: string): { repository: string; ref?: string } {
  const whole = uri.replace(/#.*$/s, '')
  const path = whole.indexOf('/', whole.indexOf('://') + 3)
  if (path < 0) return { repository: whole }
  const refs = whole.indexOf('@refs/', path)
  const at = refs < 0 ? whole.lastIndexOf('@') : refs
  if (at < path || (refs < 0 && whole.includes('/', at))) return { repository: whole }
  return { repository: whole.slice(0, at), ref: whole.slice(at + 1) }
}
