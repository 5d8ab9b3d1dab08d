"""See lsp_pygls."""
import asyncio
import os
import sys

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

KEPLER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../models/kepler.hnn")


async def main():
    client, said = LanguageClient("bench", "1"), asyncio.Queue()

    @client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def published(params):
        said.put_nowait(params)

    await client.start_io(sys.argv[1], "lsp")
    start = await client.initialize_async(lsp.InitializeParams(capabilities=lsp.ClientCapabilities(), process_id=os.getpid(), root_uri=None))
    client.initialized(lsp.InitializedParams())
    print("server:", start.server_info)
    uri, text = "file://" + KEPLER, open(KEPLER).read()
    client.text_document_did_open(lsp.DidOpenTextDocumentParams(lsp.TextDocumentItem(uri, "hnn", 1, text)))
    first = await said.get()
    assert not first.diagnostics, first

    doc = lsp.TextDocumentIdentifier(uri)

    def place(word, more=0):
        before = text[:text.index(word) + more]
        return lsp.Position(before.count("\n"), len(before) - before.rfind("\n") - 1)
    at = dict(text_document=doc, position=place("irrotational(128)", 3))
    hover = await client.text_document_hover_async(lsp.HoverParams(**at))
    print("hover:", hover.contents.value.replace("\n", " ")[:160])
    print("definition:", (await client.text_document_definition_async(lsp.DefinitionParams(**at))).uri.rsplit("/", 2)[1:])
    refs = await client.text_document_references_async(lsp.ReferenceParams(text_document=doc, position=place("tau = 128"), context=lsp.ReferenceContext(True)))
    print("references of tau:", len(refs))
    print("completions:", len((await client.text_document_completion_async(lsp.CompletionParams(**at))).items))
    help_ = await client.text_document_signature_help_async(lsp.SignatureHelpParams(text_document=doc, position=place("reflections = 2", 14)))
    print("signature:", help_.signatures[0].label, help_.active_parameter)
    edit = await client.text_document_rename_async(lsp.RenameParams(text_document=doc, position=place("tau = 128"), new_name="points"))
    print("rename:", len(edit.changes[uri]), "edits")
    tokens = await client.text_document_semantic_tokens_full_async(lsp.SemanticTokensParams(doc))
    print("colours:", len(tokens.data)//5)
    whole = lsp.Range(lsp.Position(0, 0), lsp.Position(9999, 0))
    print("shapes:", [h.label for h in await client.text_document_inlay_hint_async(lsp.InlayHintParams(doc, whole))][:4])
    print("symbols:", len(await client.text_document_document_symbol_async(lsp.DocumentSymbolParams(doc))))
    print("folds:", len(await client.text_document_folding_range_async(lsp.FoldingRangeParams(doc))))
    picked, deep = (await client.text_document_selection_range_async(lsp.SelectionRangeParams(doc, [place("norm(q)", 2)])))[0], 0
    while picked:
        picked, deep = picked.parent, deep + 1
    print("selections around a word:", deep)
    print("places of a name:", len(await client.text_document_document_highlight_async(lsp.DocumentHighlightParams(text_document=doc, position=place("tau = 128")))))
    print("links:", [link.target.rsplit("/", 1)[1] for link in await client.text_document_document_link_async(lsp.DocumentLinkParams(doc))])
    print("above the training:", [lens.command.title for lens in await client.text_document_code_lens_async(lsp.CodeLensParams(doc))])
    item = (await client.text_document_prepare_call_hierarchy_async(lsp.CallHierarchyPrepareParams(text_document=doc, position=place("hamiltonian", 12))))[0]
    calls = await client.call_hierarchy_incoming_calls_async(lsp.CallHierarchyIncomingCallsParams(item))
    print("who calls %s:" % item.name, sorted({c.from_.name for c in calls})[:4])
    print("symbols of the folder:", len(await client.workspace_symbol_async(lsp.WorkspaceSymbolParams("kepler"))))
    layout = await client.text_document_formatting_async(lsp.DocumentFormattingParams(doc, lsp.FormattingOptions(2, True)))
    assert not layout, layout
    where = place("norm(q)\n")
    change = lsp.TextDocumentContentChangePartial(range=lsp.Range(where, lsp.Position(where.line, where.character + 4)), text="norn")
    client.text_document_did_change(lsp.DidChangeTextDocumentParams(lsp.VersionedTextDocumentIdentifier(version=2, uri=uri), [change]))
    wrong = (await said.get()).diagnostics
    print("message:", wrong[0].message.replace("\n", "; "))
    mends = await client.text_document_code_action_async(lsp.CodeActionParams(doc, wrong[0].range, lsp.CodeActionContext(wrong)))
    print("mend:", mends[0].title, [e.new_text for e in mends[0].edit.changes[uri]])
    await client.shutdown_async(None)
    client.exit(None)
    print("ok")


asyncio.run(asyncio.wait_for(main(), 60))
