//! Pages of HTML, read as XML.

/// A page as a tree: it is written so strictly that little is missing to be XML.
pub fn xml_of(page: &str) -> String {
    let page =
        page.replacen("<!DOCTYPE html>", "", 1).replace("<details open>", "<details open=\"\">");
    let mut xml = String::new();
    let mut rest = page.as_str();
    while let Some(at) = rest.find("<meta") {
        let end = at + rest[at..].find('>').expect("its end");
        xml += &rest[..end];
        xml += "/>";
        rest = &rest[end + 1..];
    }
    xml + rest
}
