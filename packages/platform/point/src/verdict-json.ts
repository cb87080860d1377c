import { hex, type JsonObject } from '@quantum-ip/base'
import type { Verdict } from '@quantum-ip/verifier'

/** A verdict as JSON. Digests are lowercase hexadecimal, as everywhere in configuration and records; what is not known is left out. */
export function verdictJson(verdict: Verdict): JsonObject {
  const { status, reason, authenticated, identity, claimedSubject, deep, epoch, form } = verdict
  return {
    status,
    reason,
    authenticated,
    ...(identity !== undefined && { identity }),
    ...(claimedSubject !== undefined && { claimedSubject }),
    ...partsJson(verdict),
    binding: verdict.binding,
    requestBound: verdict.requestBound,
    oneTime: verdict.oneTime,
    deep,
    epoch,
    ...(form !== undefined && { form }),
    ...tokenJson(verdict),
    notes: notesJson(verdict),
  }
}

function partsJson({ build, attestation, chain }: Verdict): JsonObject {
  return {
    ...(build !== undefined && { build: buildJson(build) }),
    ...(attestation !== undefined && {
      attestation: { log: attestation.log, index: attestation.index },
    }),
    ...(chain !== undefined && {
      chain: chain.map(({ sid, attestationLog, attestationIndex, log, index }) => {
        return { sid, attestationLog, attestationIndex, log, index }
      }),
    }),
  }
}

function buildJson(build: NonNullable<Verdict['build']>): JsonObject {
  const { digest, evidence, builder, slsaLevel, source, revision, builtMs, attestedMs } = build
  return {
    digest: hex(digest),
    evidence,
    ...(builder !== undefined && { builder }),
    ...(slsaLevel !== undefined && { slsaLevel }),
    ...(source !== undefined && { source }),
    ...(revision !== undefined && { revision }),
    ...(builtMs !== undefined && { builtMs }),
    ...(attestedMs !== undefined && { attestedMs }),
  }
}

function tokenJson({ token, issuedS, expiresS }: Verdict): JsonObject {
  return {
    ...(token !== undefined && {
      token: { log: token.log, index: token.index, digest: hex(token.digest) },
    }),
    ...(issuedS !== undefined && { issued: issuedS }),
    ...(expiresS !== undefined && { expires: expiresS }),
  }
}

function notesJson({ notes }: Verdict): JsonObject {
  const { reliedOn: _, ...said } = notes
  return { ...said, alsoUnverifiable: [...said.alsoUnverifiable] }
}
