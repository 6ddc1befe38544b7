//! `/free/demo`: the forms of the paywall that are not inline, each beside the code that makes it. The code that is
//! shown is the code that runs: one text for both.

use crate::frame::{Escaped, Frame};

pub const MODAL_JS: &str = include_str!("../site/modal.js");
pub const API_JS: &str = include_str!("../site/api.js");

const FILE: &str = r#"<satstile-paywall src="/dear/field-notes.pdf" mode="button">
  <a class="button" href="/dear/field-notes.pdf">
    Get the field notes (PDF) for 50 sats
  </a>
</satstile-paywall>"#;

const MODAL: &str = r#"<a class="button" href="/articles/3" id="read">
  Read “A key you can file down” for 21 sats
</a>
<satstile-paywall src="/articles/3" mode="modal" id="paywall">
</satstile-paywall>"#;

const API: &str = r#"<a class="button" href="/api/echo" id="call">
  Call the API for 10 sats
</a>
<pre id="answer" tabindex="0" aria-live="polite"></pre>"#;

/// The page.
pub fn page(frame: &Frame) -> String {
    let examples = [
        example(
            "A file behind a button",
            "The link inside is the button. It opens a window with the invoice, and the file once that is paid. The same \
             50 sats also open <a href=\"/dear/turnstile.svg\">a drawing of a turnstile</a>, for ten minutes.",
            FILE,
            None,
        ),
        example(
            "A window, opened by a button of your own",
            "Nothing is seen of the paywall until your page calls <code>open()</code>. Until the component is there, the \
             button is the link that it was written as.",
            MODAL,
            Some(("/free/modal.js", MODAL_JS)),
        ),
        example(
            "A call to an API",
            "A <code>fetch</code> that can pay: on a 402 it shows the price in a window, and after the payment it asks \
             once more. What you get is your own request, as the API saw it.",
            API,
            Some(("/free/api.js", API_JS)),
        ),
    ]
    .concat();
    let body = format!(
        r#"<body class="wide">
<h1>Three more ways to ask for sats</h1>
<p>The <a href="/free/1">previews</a> have the paywall in the middle of the page. Here it waits for a click. What you
see comes from the lines beside it, and from one line in the head of the page:</p>
<pre tabindex="0"><code>{widget}</code></pre>
<p>Without JavaScript each of these is a plain link, and the page behind it asks for the payment.</p>
{examples}
<p class="nav"><a href="/">All articles</a></p>
</body>"#,
        widget = Escaped(&frame.widget()),
    );
    frame.paywalled("Three more ways to ask for sats", &["/free/modal.js", "/free/api.js"], &body)
}

fn example(title: &str, text: &str, html: &str, script: Option<(&str, &str)>) -> String {
    let code = Escaped(html);
    let script = script.map_or(String::new(), |(path, script)| {
        let script = Escaped(script.trim_end());
        format!("\n<p class=\"file\">{path}</p>\n<pre tabindex=\"0\"><code>{script}</code></pre>")
    });
    format!(
        "<section class=\"example\">\n<div>\n<h2>{title}</h2>\n<p>{text}</p>\n{html}\n</div>\n\
         <div>\n<p class=\"file\">HTML</p>\n<pre tabindex=\"0\"><code>{code}</code></pre>{script}\n</div>\n</section>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_there_with_its_code_and_a_link_for_who_has_no_script() {
        let page = page(&Frame { stylesheet: "/free/site.css", edge: None, wallet: None });
        for html in [FILE, MODAL, API] {
            assert!(page.contains(html) && page.contains(&Escaped(html).to_string()));
        }
        for path in ["/dear/field-notes.pdf", "/articles/3", "/api/echo"] {
            assert!(page.contains(&format!("href=\"{path}\"")), "{path}");
        }
        for script in [MODAL_JS, API_JS] {
            assert!(page.contains(&Escaped(script.trim_end()).to_string()));
            for id in script.split("getElementById(\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
                assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
            }
        }
    }
}
