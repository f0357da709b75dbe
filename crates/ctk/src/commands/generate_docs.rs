//! Pages and scripts that are made from the code, so that they are never wrong: completions, `docs/cli.md`,
//! `docs/addresses.md`.

use clap::CommandFactory;
use clap_complete::Shell;
use ctk_url::OptionSpec;

use crate::{
    cli::{Cli, Page},
    exit::CommandError,
    ui::Ui,
};

const ADDRESSES: &str = include_str!("generate_docs/addresses.md");

/// Prints a completion script.
pub(super) fn completions(shell: Shell, ui: &Ui) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ctk", &mut script);
    Ok(ui.result(&String::from_utf8_lossy(&script))?)
}

/// Prints a page.
pub(super) fn run(page: Page, ui: &Ui) -> Result<(), CommandError> {
    let text = match page {
        Page::Addresses => addresses(),
        Page::Cli => commands(),
    };
    Ok(ui.result(&text)?)
}

/// Puts a table in the place of each `<!-- options: … -->` of the page.
fn addresses() -> String {
    let cratedb = [ctk_sink::cratedb::config::OPTIONS, ctk_db::cratedb::OPTIONS].concat();
    let postgresql = [ctk_sink::postgres::config::OPTIONS, ctk_db::postgres::OPTIONS].concat();
    ADDRESSES
        .replace("<!-- options: source -->\n", &table(ctk_kinesis::OPTIONS))
        .replace("<!-- options: target -->\n", &table(ctk_sink::config::OPTIONS))
        .replace("<!-- options: cratedb -->\n", &table(&cratedb))
        .replace("<!-- options: postgresql -->\n", &table(&postgresql))
}

fn table(options: &[&OptionSpec]) -> String {
    let rows = options.iter().map(|option| {
        let names =
            option.names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" = ");
        let [default, help] = [option.default, option.help].map(|text| text.replace('|', "\\|"));
        format!("| {names} | {default} | {help} |\n")
    });
    let head = "| option | default | meaning |\n| --- | --- | --- |\n".to_owned();
    std::iter::once(head).chain(rows).collect()
}

fn commands() -> String {
    let options = clap_markdown::MarkdownOptions::new()
        .title("Commands".to_owned())
        .show_footer(false)
        .show_table_of_contents(true);
    let page = clap_markdown::help_markdown_custom::<Cli>(&options);
    // Made by `cargo xtask docs`, and compared by `cargo xtask ci`.
    let lines: Vec<&str> = page.lines().map(str::trim_end).collect();
    format!(
        "<!-- Made by `cargo xtask docs` from crates/ctk/src/cli.rs. -->\n\n{}\n",
        lines.join("\n").trim_end()
    )
}
